"""The parts of stage 1, put together: what a role with ingest routes starts, stops and mounts."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

import asyncpg
from starlette.types import ASGIApp

from tocsin.authentication import Authenticator
from tocsin.aws_keys import AwsKeyRing
from tocsin.cron import tzdata_version
from tocsin.egress import policy as egress
from tocsin.egress.policy import EgressPolicy
from tocsin.encryption import Cipher
from tocsin.events import alerts
from tocsin.events.jobs import DOMAIN as JOBS
from tocsin.grouping_policy import read_grouping_policy
from tocsin.ingest.commands import Commands
from tocsin.ingest.failures import Failures
from tocsin.ingest.job_spec import Bodies
from tocsin.ingest.kafka import KafkaPublisher
from tocsin.ingest.policies import PolicyPublisher, SettingsPolicy
from tocsin.ingest.publish import Publisher
from tocsin.ingest.routes import (
    aws,
    failures,
    failures_documentation,
    incidents,
    jobs,
    jobs_documentation,
    pagerduty,
    silences,
    sns,
    tasks,
    ticket_escalation,
    ticket_reports,
    tickets,
    webhooks,
    webhooks_documentation,
)
from tocsin.ingest.secret_ring import SecretRing
from tocsin.ingest.sla_policies import SlaPolicyPublisher
from tocsin.ingest.task_spec import TaskSpecs
from tocsin.ingest.waiting import Outcomes
from tocsin.ingest.webhook_sources import NO_SOURCES, Sources, sources
from tocsin.ingest.webhooks import Webhooks
from tocsin.openapi import Application
from tocsin.policies import read_tickets_policy
from tocsin.settings import Settings
from tocsin.task_tokens import TaskTokens


@dataclass(frozen=True, slots=True)
class Gateway:
    """Stage 1 of one process. ``policies`` is empty where another process watches the files.

    egress: where jobs and tasks may send. cipher: encrypts their secret headers and tokens.
    """

    publisher: Publisher
    outcomes: Outcomes
    authenticator: Authenticator
    partitions: int
    wait_seconds: float
    policies: tuple[PolicyPublisher, ...] = ()
    sources: Sources = NO_SOURCES
    secrets: SecretRing | None = None
    egress: EgressPolicy = field(default_factory=EgressPolicy)
    cipher: Cipher = field(default_factory=lambda: Cipher(""))
    tokens: TaskTokens = field(default_factory=lambda: TaskTokens(""))
    poll_lambdas: tuple[str, ...] = ()
    aws_keys: AwsKeyRing | None = None
    aws_repeat_settlements: bool = False

    @property
    def specs(self) -> TaskSpecs:
        return TaskSpecs(self.egress, self.cipher, self.poll_lambdas)

    def mount(self, app: Application) -> Mapping[tuple[str, str], ASGIApp]:
        """Adds the routes to the application; returns those that are to be answered in front of it."""
        hot = failures.FailureRoutes(Failures(self.publisher, self.partitions), self.authenticator)
        app.include_router(failures.router(hot))
        app.component_schemas.append(failures_documentation.component_schemas)
        commands = Commands(self.publisher, self.outcomes, self.partitions, self.wait_seconds)
        app.include_router(ticket_reports.router(commands))
        app.component_schemas.append(ticket_reports.component_schemas)
        app.include_router(tickets.router(commands))
        app.include_router(ticket_escalation.router(commands))
        app.include_router(incidents.router(commands))
        app.include_router(silences.router(commands))
        app.include_router(jobs.router(jobs.JobRoutes(commands, Bodies(self.egress, self.cipher))))
        app.component_schemas.append(jobs_documentation.component_schemas)
        app.include_router(tasks.router(tasks.TaskRoutes(commands, self.specs, self.tokens)))
        if self.aws_keys is not None:
            route = aws.AwsRoute(commands, self.tokens, self.aws_keys, self.authenticator, self.aws_repeat_settlements)
            app.include_router(aws.router(route))
        taking = Webhooks(self.publisher, self.partitions, self.sources)
        app.include_router(webhooks.router(webhooks.WebhookRoutes(taking, self.authenticator)))
        app.include_router(sns.router(sns.SnsRoute(taking)))
        app.include_router(pagerduty.router(pagerduty.PagerDutyRoutes(taking)))
        app.component_schemas.append(webhooks_documentation.component_schemas)
        return hot.table()

    def connected(self) -> bool:
        """Whether a report would be taken in right now."""
        return not isinstance(self.publisher, KafkaPublisher) or self.publisher.connected

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Starts the producer and what watches policies and secrets; stops them, flushing what is pending."""
        if isinstance(self.publisher, KafkaPublisher):
            await self.publisher.start()
        watches = [
            asyncio.create_task(one.run()) for one in (*self.policies, self.secrets, self.aws_keys) if one is not None
        ]
        try:
            yield
        finally:
            for watch in watches:
                watch.cancel()
            await asyncio.gather(*watches, return_exceptions=True)
            if isinstance(self.publisher, KafkaPublisher):
                await self.publisher.stop()


def gateway(settings: Settings, pool: asyncpg.Pool[asyncpg.Record], authenticator: Authenticator) -> Gateway:
    """The gateway as the settings describe it."""
    publisher = KafkaPublisher(settings.kafka)
    cipher = Cipher(settings.encryption_keys.get_secret_value())
    policies = (
        PolicyPublisher(publisher, settings.partitions, settings.tickets_config_path, read_tickets_policy),
        PolicyPublisher(
            publisher, settings.partitions, settings.grouping_config_path, read_grouping_policy, policy=alerts.DOMAIN
        ),
        SlaPolicyPublisher(publisher, settings.partitions, settings.sla_config_path, settings.link_base, cipher),
        SettingsPolicy(
            publisher,
            settings.partitions,
            JOBS,
            {"max_jobs": settings.max_jobs_per_workspace, "tzdata": tzdata_version()},
        ),
    )
    secrets = SecretRing(pool, cipher)
    return Gateway(
        publisher,
        Outcomes.of(pool),
        authenticator,
        settings.partitions,
        settings.command_wait_seconds,
        policies,
        sources(settings, secrets),
        secrets,
        egress.parse(settings.egress_allow),
        cipher,
        TaskTokens(settings.key_pepper.get_secret_value()),
        settings.poll_lambdas,
        AwsKeyRing(pool, cipher),
        settings.aws_repeat_settlements,
    )
