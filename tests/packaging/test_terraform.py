"""deploy/terraform without a provider: known types and arguments, references that resolve, and the house rules."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.packaging.terraform import Module, arguments, plain, values
from tests.packaging.test_compose import compose
from tocsin.embedded.kafka_configuration import server_properties
from tocsin.events.topics import DOMAINS, topics
from tocsin.settings import Settings

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "terraform"
MODULE = Module(FOLDER)
KNOWN: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "tests/data/terraform/arguments.yaml").read_text())
BLOCKS = [block for kind in KNOWN for block in MODULE.of(kind)]
SETTINGS = {(field.alias or name).upper(): field for name, field in Settings.model_fields.items()}


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.address)
def test_S10_a_block_has_a_known_type_and_known_arguments(block: Any) -> None:
    known = KNOWN[block.kind][block.type]
    assert set(arguments(block.body)) <= set(known["arguments"])


def test_S10_the_list_of_arguments_names_its_sources_and_nothing_unused() -> None:
    for kind, types in KNOWN.items():
        for type_, known in types.items():
            page = type_.partition("_")[2] if type_.startswith("aws_") else "password"
            assert re.fullmatch(rf"https://registry\.terraform\.io/providers/.+/{page}", known["source"])
            used = {argument for block in MODULE.of(kind, type_) for argument in arguments(block.body)}
            assert used == set(known["arguments"]), type_


def test_S10_every_reference_resolves() -> None:
    defined = MODULE.defined()
    unknown = sorted({(where, name) for where, name in MODULE.named() if name not in defined})
    assert unknown == []


def test_S10_everything_that_is_defined_is_used() -> None:
    used = {name for _, name in MODULE.named()}
    idle = {name for name in MODULE.defined() if name.startswith(("var.", "local.", "data.", "ephemeral."))} - used
    assert idle == set()


@pytest.mark.parametrize(
    "broken", ["var.nme", "local.tgs", "aws_vpc.other.id", "data.aws_iam_policy_document.none.json"]
)
def test_S10_a_reference_to_nothing_would_be_found(broken: str, tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(f'variable "name" {{}}\noutput "x" {{\n  value = "${{{broken}}}-x"\n}}\n')
    found = Module(tmp_path)
    (named,) = [name for _, name in found.named()]
    assert broken.startswith(named)
    assert named not in found.defined()


@pytest.mark.parametrize("block", MODULE.of("variable"), ids=lambda block: block.name)
def test_S10_a_variable_is_described_and_typed(block: Any) -> None:
    assert plain(block.body["description"]).endswith((".", "…"))
    assert "type" in block.body


@pytest.mark.parametrize("block", MODULE.of("output"), ids=lambda block: block.name)
def test_S10_an_output_is_described_and_tells_no_secret(block: Any) -> None:
    assert plain(block.body["description"]).endswith(".")
    assert not any("secret_string" in one or "random_password" in one for one in values(block.body))


# --- secrets --------------------------------------------------------------------------------------------------------

_SECRET_NAME = re.compile(r"password|secret_string|pepper|token|private_key", re.I)
_LOOKS_SECRET = re.compile(r"AKIA[0-9A-Z]{16}|whsec_|xox[abp]-|hooks\.slack\.com|-----BEGIN")


def test_S10_no_secret_is_written_down() -> None:
    for block in MODULE.blocks:
        for name, value in block.body.items():
            if _SECRET_NAME.search(name) and not name.endswith("_version"):
                assert not isinstance(value, str) or value.startswith("${"), f"{block.address}.{name}"
        assert not any(_LOOKS_SECRET.search(one) for one in values(block.body)), block.address
    for path in (*FOLDER.glob("*.example"), *FOLDER.glob("**/*.md"), *FOLDER.glob("image/*")):
        assert not _LOOKS_SECRET.search(path.read_text()), path


def test_S10_no_secret_reaches_the_state() -> None:
    """Only write-only arguments, which neither plan nor state keep, are given what an ephemeral block made."""
    for block in MODULE.of("resource"):
        for name, value in block.body.items():
            if any("ephemeral." in one for one in values(value)):
                assert name.endswith("_wo"), f"{block.address}.{name}"
    assert not MODULE.of("resource", "random_password")
    assert "password" not in MODULE.the("aws_db_instance.this").body


def test_S10_settings_that_are_secrets_are_injected_and_no_others() -> None:
    secret = {name for name, field in SETTINGS.items() if "SecretStr" in str(field.annotation)} | {"PGPASSWORD"}
    (injected,) = re.findall(r"secrets = merge\(\s*\{(.*?)\n    \}", MODULE.text["secrets.tf"], re.S)
    (literal,) = re.findall(r"environment = merge\(\s*\{(.*?)\n    \}", MODULE.text["roles.tf"], re.S)
    injected_names, literal_names = (set(re.findall(r"^\s+([A-Z_]+) +=", text, re.M)) for text in (injected, literal))
    assert injected_names == {"KAFKA_SASL_PASSWORD", "PGPASSWORD", "TOCSIN_KEY_PEPPER", "TOCSIN_ENCRYPTION_KEYS"}
    assert injected_names <= secret
    assert not literal_names & secret
    assert literal_names <= set(SETTINGS) | {"PGSSLMODE", "PGSSLROOTCERT"}
    # every policy file has a place in the image
    assert {name for name in SETTINGS if name.endswith("_CONFIG_PATH")} <= literal_names


# --- house rules ----------------------------------------------------------------------------------------------------


def test_W9_logs_are_kept_7_to_14_days_and_no_group_is_without_an_end() -> None:
    groups = MODULE.of("resource", "aws_cloudwatch_log_group")
    assert groups
    assert all(group.body["retention_in_days"] == "${var.log_retention_days}" for group in groups)
    variable = MODULE.the("var.log_retention_days")
    assert 7 <= variable.body["default"] <= 14
    (validation,) = variable.body["validation"]
    allowed = {int(one) for one in re.findall(r"\d+", re.findall(r"\[(.*?)\]", validation["condition"])[0])}
    assert allowed
    assert all(7 <= days <= 14 for days in allowed)


TAGGED = {type_ for type_, known in KNOWN["resource"].items() if "tags" in known["arguments"]}
UNTAGGABLE = {
    "aws_cloudwatch_log_metric_filter",
    "aws_iam_role_policy",
    "aws_kms_alias",
    "aws_msk_configuration",
    "aws_msk_scram_secret_association",
    "aws_route",
    "aws_route_table_association",
    "aws_secretsmanager_secret_policy",
    "aws_secretsmanager_secret_version",
    "aws_sns_topic_subscription",
}


@pytest.mark.parametrize("block", MODULE.of("resource"), ids=lambda block: block.address)
def test_S10_whatever_can_be_tagged_is(block: Any) -> None:
    assert (block.type in UNTAGGABLE) != any("local.tags" in one for one in values(block.body.get("tags", "")))


def test_S10_nothing_is_open_to_everybody_but_the_way_out() -> None:
    everybody = [block.address for block in MODULE.blocks if any("0.0.0.0/0" in one for one in values(block.body))]
    assert sorted(everybody) == ["aws_route.private", "aws_route.public", "aws_vpc_security_group_egress_rule.web"]
    assert MODULE.the("var.allowed_cidr_blocks").body["default"] == []
    for group in MODULE.of("resource", "aws_security_group"):
        assert not {"ingress", "egress"} & set(group.body), "rules stand alone, so that each has its reason"


def test_S10_rights_name_what_they_are_for() -> None:
    """No statement of a role has a wildcard for an action, nor for a resource unless the call knows none."""
    for name in ("execution", "task"):
        body = MODULE.the(f"data.aws_iam_policy_document.{name}").body
        text = list(values({"statement": body["statement"], "dynamic": body.get("dynamic", [])}))
        assert not any(re.fullmatch(r'"[a-z]+:\*"', one) for one in text)
        assert text.count('"*"') == (1 if name == "execution" else 0)  # ecr:GetAuthorizationToken


def test_S10_the_cluster_is_durable_fast_to_fail_over_and_private() -> None:
    cluster = MODULE.the("aws_msk_cluster.this").body
    assert (cluster["number_of_broker_nodes"], plain(cluster["kafka_version"])) == (3, "4.1.x.kraft")
    assert compose()["services"]["kafka"]["image"].startswith("apache/kafka:4.1.")
    assert plain(cluster["encryption_info"][0]["encryption_in_transit"][0]["client_broker"]) == "TLS"
    text = MODULE.the("aws_msk_configuration.this").body["server_properties"]
    lines = dict(line.strip().split("=", 1) for line in text.splitlines() if "=" in line)
    assert (lines["default.replication.factor"], lines["min.insync.replicas"]) == ("3", "2")
    assert int(lines["group.min.session.timeout.ms"]) <= 1200
    session = SETTINGS["TOCSIN_SESSION_TIMEOUT_SECONDS"].default * 1000
    assert int(lines["group.min.session.timeout.ms"]) <= session
    embedded = dict(line.split("=", 1) for line in server_properties(Path("/x"), 1, 2).splitlines())
    same = (
        "auto.create.topics.enable",
        "message.max.bytes",
        "replica.fetch.max.bytes",
        "group.initial.rebalance.delay.ms",
    )
    assert {name: lines[name] for name in same} == {name: embedded[name] for name in same}


def test_S10_brokers_are_large_enough_for_the_replicas_of_every_topic() -> None:
    """Three brokers and three replicas: each broker has every partition. Limits: MSK's best practices, by size."""
    most = {"large": 1000, "xlarge": 1000, "2xlarge": 2000, "4xlarge": 4000}
    size = plain(MODULE.the("var.kafka_instance_type").body["default"]).rpartition(".")[2]
    assert len(topics()) * MODULE.the("var.partitions").body["default"] <= most[size]
    assert len(topics()) * 12 <= most["large"]  # as the description says


def test_S10_the_database_has_a_standby_backups_and_takes_tls_only() -> None:
    database = MODULE.the("aws_db_instance.this").body
    assert (database["multi_az"], database["storage_encrypted"], database["publicly_accessible"]) == (True, True, False)
    assert (plain(database["engine"]), plain(database["engine_version"])) == ("postgres", "18")
    assert compose()["services"]["postgres"]["image"] == "postgres:18"
    assert "rds.force_ssl" in MODULE.text["database.tf"]
    assert 'PGSSLMODE               = "verify-full"' in MODULE.text["roles.tf"]


def test_S10_every_role_is_there_and_runs_its_command() -> None:
    text = MODULE.text["roles.tf"]
    commands = dict(re.findall(r"^    (\w+) = \{\n\s+command\s+= \[\"tocsin\", \"([a-z]+)\"", text, re.M))
    assert commands == {role: role for role in ("http", "stream", "deliver", "project")}
    domains = [plain(one) for one in MODULE.the("var.domains").body["default"]]
    assert {*domains, "deliveries"} == set(DOMAINS)
    assert 'command          = ["tocsin", "migrate"]' in MODULE.text["tasks.tf"]
    assert 'command          = ["tocsin", "topics"' in MODULE.text["tasks.tf"]


def test_S10_the_balancer_outlasts_the_silence_of_a_stream() -> None:
    assert MODULE.the("aws_lb.this").body["idle_timeout"] > 2 * 15


def test_W9_there_is_an_alarm_for_errors_lag_dead_letters_and_silence() -> None:
    table = MODULE.text["alarm_table.tf"]
    names = set(re.findall(r'^\s+(?:for \w+ in .* : "([a-z-]+)-\$\{|([a-z-]+) = \{)', table, re.M))
    found = {one or other for one, other in names}
    assert {"lag", "silent", "errors", "dead-letters", "unhealthy-targets", "database-storage", "kafka-disk"} <= found
    assert MODULE.the("aws_cloudwatch_metric_alarm.error_rate")
    metrics = set(re.findall(r'metric\s+= "(tocsin_\w+)"', table))
    collected = set(re.findall(r"\^(tocsin_\w+)\$", MODULE.text["metrics.tf"]))
    assert metrics <= collected
    exported = "".join(path.read_text() for path in (*ROOT.glob("*/metrics.py"), *ROOT.glob("*/*/metrics.py")))
    exported += "".join(path.read_text() for path in ROOT.glob("ingest/*.py"))
    assert [one for one in collected if one.removesuffix("_total") not in exported] == []
    for alarm in MODULE.of("resource", "aws_cloudwatch_metric_alarm"):
        assert alarm.body["alarm_actions"] == ["${aws_sns_topic.alarms.arn}"]


def test_S10_the_example_sets_variables_that_exist_and_all_that_have_no_default() -> None:
    given = set(re.findall(r"^(\w+)\s*=", (FOLDER / "terraform.tfvars.example").read_text(), re.M))
    declared = {block.name: block.body for block in MODULE.of("variable")}
    assert given <= set(declared)
    assert {name for name, body in declared.items() if "default" not in body} <= given


def test_S10_the_image_has_the_policies_and_the_authorities_that_are_named() -> None:
    text = (FOLDER / "image" / "Dockerfile").read_text()
    assert "/etc/tocsin/rds.pem" in text
    assert "COPY --chmod=0444 deploy/*.yaml /etc/tocsin/" in text
    for path in re.findall(r'CONFIG_PATH\s+= "/etc/tocsin/([\w.]+)"', MODULE.text["roles.tf"]):
        assert (ROOT / "deploy" / path).is_file()
    assert re.findall(r"^USER (.*)$", text, re.M)[-1] == "10001"


def test_S10_files_are_as_terraform_would_format_them() -> None:
    """Two spaces a level, no tabs, no space at an end, equals signs of neighbours below each other."""
    for name, text in MODULE.text.items():
        assert "\t" not in text, name
        assert text.endswith("}\n"), name
        assert all(line == line.rstrip() for line in text.splitlines()), name
