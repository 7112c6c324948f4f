// Elements, numbers as text, and text with what was searched for marked in it.

const SVG = "http://www.w3.org/2000/svg";

/** Make an element. `on…` attributes are listeners, null ones are left out. */
function make(tag, attributes = {}, ...children) {
  return furnish(document.createElement(tag), attributes, children);
}

/** Make an element of a drawing. */
function draw(tag, attributes = {}, ...children) {
  return furnish(document.createElementNS(SVG, tag), attributes, children);
}

function furnish(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...present(children));
  return element;
}

/** Children may be nested in arrays; null ones are left out. */
const present = (children) =>
  children.flat(Infinity).filter((child) => child !== null && child !== undefined);

/** Put new children into an element. */
function fill(element, ...children) {
  element.replaceChildren(...present(children));
  return element;
}

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

function percent(share, digits = 1) {
  return isNumber(share) ? (100 * share).toFixed(digits) : "–";
}

/** Write a number with three digits that count. */
function short(value) {
  if (!isNumber(value)) return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e5)) return value.toExponential(1);
  return String(Number(value.toPrecision(3)));
}

function signed(value, digits = 2) {
  if (!isNumber(value)) return "–";
  const text = Math.abs(value).toFixed(digits);
  if (Number(text) === 0) return text;
  return (value < 0 ? "−" : "+") + text;
}

const count = (n, noun) => `${n} ${noun}${n === 1 ? "" : "s"}`;

/** Return text as nodes, with each place where `needle` (in lower case) occurs marked. */
function marked(text, needle) {
  if (!needle) return [text];
  const nodes = [];
  const lower = text.toLowerCase();
  let start = 0;
  for (let at = lower.indexOf(needle); at >= 0; at = lower.indexOf(needle, start)) {
    nodes.push(text.slice(start, at), make("mark", {}, text.slice(at, at + needle.length)));
    start = at + needle.length;
  }
  nodes.push(text.slice(start));
  return nodes;
}

/** Return a colour's hue by number; neighbours differ much. */
const hue = (n) => String(Math.round((n * 137.508 + 210) % 360));
