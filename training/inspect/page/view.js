// Puts the page together, and keeps address, chosen iteration and keys in step with it.

/** Read `#file/group/episode`, or null. */
function readAddress(files) {
  const [name, group = "0", episode = "0"] = decodeURIComponent(location.hash.slice(1)).split("/");
  const index = files.findIndex((file) => file.name === name);
  return index < 0 ? null : [index, Number(group) || 0, Number(episode) || 0];
}

function writeAddress(browser) {
  const { file, groupIndex, episodeIndex } = browser;
  history.replaceState(null, "", `#${encodeURIComponent(file.name)}/${groupIndex}/${episodeIndex}`);
}

function bindKeys(browser) {
  const actions = {
    j: () => browser.stepGroup(1),
    k: () => browser.stepGroup(-1),
    ArrowRight: () => browser.stepEpisode(1),
    ArrowLeft: () => browser.stepEpisode(-1),
    "]": () => browser.stepFile(1),
    "[": () => browser.stepFile(-1),
    s: () => browser.lay(!browser.together),
    "/": () => browser.search.focus(),
    Escape: () => browser.compare(null),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.closest?.("input, select");
    if (typing) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
}

function start() {
  const part = (id) => document.getElementById(id);
  const data = JSON.parse(part("data").textContent);
  const cursor = new Cursor();
  let ready = false; // the first file is shown without a change of address
  const browser = new EpisodeBrowser(part("episodes"), data, {
    onFile: (file) => isTraining(file) && cursor.set(file.iteration),
    onMove: () => ready && writeAddress(browser),
  });
  drawTop(part("top"), data);
  drawSummary(part("summary"), data);
  drawCurves(part("curves"), data, cursor, (iteration) => {
    if (!browser.files.length || !browser.showIteration(iteration)) cursor.set(iteration);
  });
  if (browser.files.length) {
    const last = browser.files.findLastIndex(isTraining);
    browser.showFile(...(readAddress(browser.files) ?? [last < 0 ? 0 : last]));
    bindKeys(browser);
  }
  ready = true;
}

start();
