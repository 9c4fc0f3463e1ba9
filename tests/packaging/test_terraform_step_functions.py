"""deploy/terraform/step-functions without a provider: arguments, rights, logs, alarms, and the names of the code."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from lambdas import decisions, token_table

from tests.packaging.terraform import Module, arguments, plain, values

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "terraform" / "step-functions"
MODULE = Module(FOLDER)
KNOWN: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "tests/data/terraform/step-functions.yaml").read_text())
FUNCTIONS = {"simulated-api", "create-job", "poller"}


@pytest.mark.parametrize("block", [one for kind in KNOWN for one in MODULE.of(kind)], ids=lambda block: block.address)
def test_T8_a_block_has_a_known_type_and_known_arguments(block: Any) -> None:
    assert set(arguments(block.body)) <= set(KNOWN[block.kind][block.type]["arguments"])


def test_T8_every_reference_resolves_and_everything_defined_is_used() -> None:
    defined, named = MODULE.defined(), {name for _, name in MODULE.named()}
    assert sorted(named - defined) == []
    assert {name for name in defined if name.startswith(("var.", "local.", "data."))} - named == set()


def test_T8_there_are_the_machine_the_functions_the_tables_and_the_schedule() -> None:
    handlers = dict(re.findall(r"^    ([a-z-]+) = \{\n\s+handler = \"([a-z_.]+)\"", MODULE.text["functions.tf"], re.M))
    assert set(handlers) == FUNCTIONS
    for handler in handlers.values():
        module, _, function = handler.rpartition(".")
        assert callable(getattr(importlib.import_module(module), function))
    tables = [plain(block.body["name"]) for block in MODULE.of("resource", "aws_dynamodb_table")]
    assert sorted(tables) == ["${var.name}-jobs", "${var.name}-task-tokens"]
    assert plain(MODULE.the("var.name").body["default"]) == "poc"
    index = MODULE.the("aws_dynamodb_table.tokens").body["global_secondary_index"][0]
    assert [plain(index[name]) for name in ("name", "hash_key", "range_key")] == [
        token_table.INDEX,
        "waiting",
        "next_poll",
    ]
    assert MODULE.the("aws_scheduler_schedule.poller")


def test_T8_settings_of_the_functions_are_those_they_read() -> None:
    code = "".join(path.read_text() for path in (ROOT / "examples/step-functions/lambdas").glob("*.py"))
    given = set(re.findall(r"^        ([A-Z_]+) +=", MODULE.text["functions.tf"], re.M))
    assert given == {"TOKENS_TABLE", "JOBS_TABLE", "SIMULATED_API_FUNCTION", "COMPLETE_AFTER_POLLS"}
    assert [name for name in given if f'"{name}"' not in code] == []


def test_T8_the_definition_is_filled_in_with_what_it_asks_for() -> None:
    text = (ROOT / "examples/step-functions/state-machines/wait-for-job.asl.json").read_text()
    asked = set(re.findall(r"\$\{(\w+)\}", text))
    (given,) = re.findall(r"templatefile\(.*?, \{(.*?)\}\)", MODULE.text["state_machine.tf"], re.S)
    assert set(re.findall(r"^\s+(\w+) +=", given, re.M)) == asked
    filled = json.loads(re.sub(r"\$\{(\w+)\}", "7", text))
    waiting = filled["States"]["WaitForJob"]
    assert waiting["Resource"].endswith(".waitForTaskToken")
    assert [one["Next"] for one in waiting["Catch"]] == ["TimeoutState", "FailedState"]
    caught = {error for one in waiting["Catch"] for error in one["ErrorEquals"]}
    assert {"States.Timeout", decisions.failure("TIMEOUT", "").error, "States.ALL"} == caught


def test_T8_each_function_has_an_alarm_for_its_errors_and_a_log_that_ends() -> None:
    errors = MODULE.the("aws_cloudwatch_metric_alarm.errors").body
    assert (plain(errors["metric_name"]), errors["for_each"], errors["threshold"]) == (
        "Errors",
        "${local.functions}",
        0,
    )
    assert plain(MODULE.the("aws_cloudwatch_metric_alarm.silent").body["treat_missing_data"]) == "breaching"
    for alarm in MODULE.of("resource", "aws_cloudwatch_metric_alarm"):
        assert alarm.body["alarm_actions"] == ["${aws_sns_topic.alarms.arn}"]
    groups = MODULE.of("resource", "aws_cloudwatch_log_group")
    assert {group.name for group in groups} == {"function", "state_machine"}
    assert all(group.body["retention_in_days"] == "${var.log_retention_days}" for group in groups)
    (validation,) = MODULE.the("var.log_retention_days").body["validation"]
    assert "[7, 14]" in validation["condition"]


def test_T8_rights_name_what_they_are_for() -> None:
    """No wildcard for an action, and one for a resource only where the calls know none: delivery of logs."""
    text = MODULE.text["iam.tf"]
    assert not re.findall(r'"[a-z]+:\*"', text)
    assert text.count('["*"]') == 1
    (delivery,) = re.findall(r'actions = \[([^\]]*)\]\s+resources = \["\*"\]', text)
    assert all(action.strip().startswith('"logs:') for action in delivery.split(",") if action.strip())
    (rights,) = re.findall(r"rights = \{(.*?)\n  \}\n", text, re.S)
    assert set(re.findall(r"^    ([a-z-]+) = \{", rights, re.M)) == FUNCTIONS
    code = "".join(path.read_text() for path in (ROOT / "examples/step-functions/lambdas").glob("*.py"))
    for action in set(re.findall(r'"dynamodb:(\w+)"', rights)):
        assert re.sub(r"(?<!^)([A-Z])", r"_\1", action).lower() in code, action


@pytest.mark.parametrize("block", MODULE.of("resource"), ids=lambda block: block.address)
def test_T8_whatever_can_be_tagged_is(block: Any) -> None:
    untaggable = {"aws_iam_role_policy", "aws_scheduler_schedule", "aws_sns_topic_subscription"}
    assert (block.type in untaggable) != any("local.tags" in one for one in values(block.body.get("tags", "")))


@pytest.mark.parametrize("block", [*MODULE.of("variable"), *MODULE.of("output")], ids=lambda block: block.address)
def test_T8_variables_and_outputs_are_described(block: Any) -> None:
    assert plain(block.body["description"]).endswith(".")


def test_T8_the_example_sets_variables_that_exist_and_all_that_have_no_default() -> None:
    given = set(re.findall(r"^(\w+)\s*=", (FOLDER / "terraform.tfvars.example").read_text(), re.M))
    declared = {block.name: block.body for block in MODULE.of("variable")}
    assert given <= set(declared)
    assert {name for name, body in declared.items() if "default" not in body} <= given
