"""Jobs under random histories: each slot has one verdict, facts are the whole truth, the quota is exact."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.domain.job_story import DAY, HOUR, MINUTE, QUOTA, SECOND, START, World
from tocsin.cron import parse, slots_between, zone
from tocsin.cron.zones import moment_at
from tocsin.events import jobs as contract
from tocsin.events.times import rfc3339
from tocsin.events.vocabulary import CATCHUPS, COUNTED_JOB_STATUSES, OVERLAPS
from tocsin.streams.domain.job_policy import JobsPolicy
from tocsin.streams.domain.job_state import JobsState, slot_of
from tocsin.streams.domain.jobs import JOBS

JOB_IDS = [f"{QUOTA}-{number}" for number in (1, 2, 3)]
CREATE = st.fixed_dictionaries(
    {
        "cron": st.sampled_from(["* * * * *", "*/7 * * * *", "0 3 * * *", "30 10-12 * * 1-5"]),
        "catchup": st.sampled_from(CATCHUPS),
        "overlap": st.sampled_from(OVERLAPS),
        "catchup_on_resume": st.booleans(),
        "jitter_seconds": st.sampled_from([0, 20]),
    }
)
ONCE = st.integers(0, 40).map(lambda minutes: {"run_at": rfc3339(START + minutes * MINUTE)})
COMMANDS = st.builds(
    lambda kind, job_id: kind(job_id=job_id, actor="ana"),
    st.sampled_from(
        [
            contract.JobPauseRequested,
            contract.JobResumeRequested,
            contract.JobRunRequested,
            contract.JobDeleteRequested,
        ]
    ),
    st.sampled_from(JOB_IDS),
)
PASSING = st.sampled_from([0, SECOND, 59 * SECOND, 3 * MINUTE, 2 * HOUR, 2 * DAY])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("create"), st.one_of(CREATE, ONCE)),
        st.tuples(st.just("ask"), COMMANDS),
        st.tuples(st.just("wake"), PASSING),
        st.tuples(st.just("wake"), PASSING),
        st.tuples(st.just("end"), st.sampled_from(["succeeded", "failed", "gone", "cancelled"])),
    ),
    max_size=20,
)


def played(steps: list[tuple[str, Any]]) -> World:
    world = World(JobsPolicy(max_jobs=3))
    for kind, what in steps:
        match kind:
            case "create":
                world.create(**what)
            case "ask":
                world.ask(what)
            case "wake":
                world.wake(after=what)
            case "end":
                for run_id in list(world.deliveries)[:1]:
                    world.end(run_id, what)
    return world


@given(STEPS)
def test_X1_folding_the_facts_gives_the_state(steps: Any) -> None:
    world = played(steps)
    states: dict[str, JobsState | None] = {}
    for fact in world.facts:
        again = msgspec.json.decode(msgspec.json.encode(fact), type=type(fact))
        states[fact.entity] = JOBS.evolve(states.get(fact.entity), again)
    assert {entity: state for entity, state in states.items() if state is not None} == world.states


@given(STEPS)
def test_J7_every_slot_up_to_the_cursor_has_exactly_one_verdict(steps: Any) -> None:
    world = played(steps)
    for job_id, state in world.states.items():
        if state.job is None:
            continue
        created = next(f for f in world.facts if isinstance(f, contract.JobCreated) and f.job_id == job_id)
        verdicts: Counter[int] = Counter()
        for fact in world.facts:
            if isinstance(fact, contract.SlotFired) and fact.job_id == job_id:
                verdicts[slot_of(fact.slot)] += 1
            elif isinstance(fact, contract.SlotsPassed) and fact.job_id == job_id:
                verdicts.update(fact.slots)
        assert set(verdicts.values()) <= {1}
        spec = created.spec
        if not spec.cron:
            continue
        begin, end = slot_of(created.cursor), state.job.cursor
        slots = slots_between(parse(spec.cron), zone(spec.timezone), moment_at(begin // 1000), moment_at(end // 1000))
        waiting = {state.job.queued} if state.job.queued is not None else set()
        assert {int(slot.timestamp()) * 1000 for slot in slots} - waiting == set(verdicts)


@given(STEPS)
def test_J14_the_quota_is_the_number_of_jobs_that_count(steps: Any) -> None:
    world = played(steps)
    jobs = [state.job for state in world.states.values() if state.job is not None]
    quota = world.states[QUOTA].quota if QUOTA in world.states else None
    counted = sum(job.status in COUNTED_JOB_STATUSES for job in jobs)
    assert (quota.active if quota else 0) == counted <= 3


@given(STEPS)
def test_J4_nothing_is_delivered_for_a_job_that_is_paused_or_deleted(steps: Any) -> None:
    world = played(steps)
    for request in world.deliveries.values():
        job = world.job(request.origin.entity)
        assert request.origin.run_id in job.runs
        assert job.status != "deleted"
