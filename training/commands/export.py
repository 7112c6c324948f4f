"""`anchorgym export`: write a policy as one whole model in Hugging Face format."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from anchorgym.training.commands import EXIT_OK
from anchorgym.training.commands.command import Command, Settings, option, word


def run(known: Namespace, given: Settings) -> int:
    """Write the model and print its folder."""
    from torch import nn

    from anchorgym.agents.engines.placing import named_dtype
    from anchorgym.agents.policies.model import load_policy
    from anchorgym.training.config.section import ConfigError

    if known.out.exists():
        raise ConfigError(f"{known.out} exists already: give the name of a new folder")
    policy = load_policy(known.policy)
    policy.merge_adapters()
    nn.Module.to(policy.model, named_dtype(known.dtype, policy.model))
    policy.save(known.out)
    print(known.out)
    return EXIT_OK


COMMAND = Command(
    name="export",
    summary="Write a policy as one whole model in Hugging Face format.",
    about="""
        Adapters (LoRA) are merged into the weights of their base model, so that the new folder
        needs neither the base nor peft: every program that reads models in Hugging Face format
        loads it, and so do train, evaluate and play. The policy itself stays as it is.""",
    examples=(
        "anchorgym export runs/NAME/policy models/mine",
        "anchorgym export runs/NAME/policy models/mine --dtype bfloat16",
    ),
    arguments=(
        word("policy", "POLICY", "Folder of the policy, such as runs/NAME/policy.", required=True),
        word("out", "OUT", "New folder for the model.", type=Path, required=True),
        option(
            "--dtype",
            "DTYPE",
            "Data type of the weights; by default that of the saved model.",
            default="auto",
            choices=("auto", "float32", "bfloat16"),
        ),
    ),
    run=run,
)
