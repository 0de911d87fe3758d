"""What becomes of a failed call: attempts, deployments, fallbacks, deadlines and circuits, over scripted backends."""

from __future__ import annotations

import asyncio
import time

import pytest

from agent_bridge.errors import BridgeError, ModelCredentials, ModelError, ModelRateLimited, ModelRefused
from agent_bridge.events import Event, Retry, Token
from agent_bridge.messages import ModelRequest
from agent_bridge.models.failover import Candidate, Circuits, Deadlines, FailoverModel
from agent_bridge.models.failover.circuit import OUTAGES, REST_S, Circuit
from agent_bridge.models.failures import Kind
from agent_bridge.models.retries import Retries
from support.scripted_backend import (
    Clock,
    Pause,
    ScriptedBackend,
    candidate,
    candidate_at,
    candidate_without,
    deployment,
    failing,
)

pytestmark = pytest.mark.anyio

REQUEST = ModelRequest(messages=[{"role": "user", "content": "Hi."}])
AT_ONCE = Retries(first_wait_s=0, jitter=lambda: 0)


async def ask(*candidates: Candidate) -> tuple[str | BridgeError, list[Event]]:
    """The answer or the error, and what was announced."""
    events: list[Event] = []
    try:
        async with asyncio.timeout(10):
            reply = await FailoverModel(candidates, retries=AT_ONCE).complete(REQUEST, events.append)
    except BridgeError as error:
        return error, events
    return reply.message["content"] or "", events


def retry(attempt: int, reason: str, model: str, wait_s: float = 0) -> Retry:
    return Retry(attempt=attempt, reason=reason, wait_s=wait_s, model=model, void_from_seq=0)


async def test_what_was_said_before_a_failure_is_void_and_said_again() -> None:
    backend = ScriptedBackend([failing("incomplete"), "Hello"], said="Hel")

    answer, events = await ask(candidate("m", backend))

    assert answer == "Hello"
    assert events == [Token(content="Hel"), retry(1, "incomplete", "m"), Token(content="Hello")]


async def test_a_hopeless_failure_is_told_at_once() -> None:
    backend = ScriptedBackend([failing("refused"), "never"])

    error, events = await ask(candidate("m", backend))

    assert (type(error), events, len(backend.asked)) == (ModelRefused, [], 1)
    assert "Tried" not in str(error)


@pytest.mark.parametrize("kind", ["rate_limited", "overloaded", "unreachable", "timeout", "incomplete", "quota"])
async def test_another_deployment_is_asked_before_anything_is_waited_for(kind: Kind) -> None:
    first, second = ScriptedBackend([failing(kind, retry_after_s=29)]), ScriptedBackend(["There."])

    answer, events = await ask(candidate("m", first, second))

    assert answer == "There."
    assert events == [retry(1, kind.replace("_", " "), "m"), Token(content="There.")]


async def test_every_deployment_fails_before_the_first_wait_counts() -> None:
    first = ScriptedBackend([failing("overloaded")] * 2)
    second = ScriptedBackend([failing("overloaded")] * 2)

    error, events = await ask(candidate("m", first, second))

    assert type(error) is ModelError
    assert len(first.asked) + len(second.asked) == 4
    assert "Tried: m (overloaded, 4 times)." in str(error)
    assert [type(event) for event in events] == [Retry] * 3


@pytest.mark.parametrize("kind", ["credentials", "quota", "context_too_long", "unknown_model"])
async def test_what_does_not_pass_goes_to_the_fallback_at_once(kind: Kind) -> None:
    chosen, other = ScriptedBackend([failing(kind)]), ScriptedBackend(["Instead."])

    answer, events = await ask(candidate("m", chosen), candidate("other", other))

    assert answer == "Instead."
    assert events == [retry(1, kind.replace("_", " "), "other"), Token(content="Instead.")]


@pytest.mark.parametrize("kind", ["refused", "rejected", "internal"])
async def test_what_the_request_itself_is_to_blame_for_is_not_tried_with_another_model(kind: Kind) -> None:
    other = ScriptedBackend(["never"])

    error, _ = await ask(candidate("m", ScriptedBackend([failing(kind)])), candidate("other", other))

    assert isinstance(error, BridgeError)
    assert other.asked == []


async def test_an_outage_is_tried_again_before_the_fallback() -> None:
    chosen, other = ScriptedBackend([failing("overloaded")] * 3), ScriptedBackend(["Instead."])

    answer, events = await ask(candidate("m", chosen), candidate("other", other))

    assert (answer, len(chosen.asked)) == ("Instead.", 3)
    assert [event.model for event in events if isinstance(event, Retry)] == ["m", "m", "other"]


async def test_with_a_fallback_nobody_waits_long_and_silence_is_not_waited_for_twice() -> None:
    limited = ScriptedBackend([failing("rate_limited", retry_after_s=3)])
    silent = ScriptedBackend([failing("timeout")])

    answer, events = await ask(
        candidate("m", limited), candidate("second", silent), candidate("third", ScriptedBackend(["Here."]))
    )

    assert answer == "Here."
    assert events == [
        retry(1, "rate limited", "second"),
        retry(2, "timeout", "third"),
        Token(content="Here."),
    ]


async def test_the_error_is_of_the_model_that_was_chosen_and_says_what_was_tried() -> None:
    error, _ = await ask(
        candidate("m", ScriptedBackend([failing("rate_limited", retry_after_s=60)])),
        candidate("other", ScriptedBackend([failing("unreachable")] * 3)),
        candidate_without("third", ModelCredentials("Set THIRD_KEY.")),
    )

    assert type(error) is ModelRateLimited
    assert error.message == (
        "The provider limits the rate of the model 'm'. The provider asks to wait 60 s. Tried: m (rate limited), "
        "other (unreachable, 3 times), third (credentials). Try again in a moment, or choose another model with "
        "list_models."
    )


async def test_a_model_without_credentials_leaves_the_work_to_its_fallback() -> None:
    missing = candidate_without("m", ModelCredentials("Set SOME_KEY."))

    answer, events = await ask(missing, candidate("other", ScriptedBackend(["Instead."])))

    assert answer == "Instead."
    assert events == [retry(1, "credentials", "other"), Token(content="Instead.")]


async def test_a_provider_that_is_silent_for_too_long_is_given_up() -> None:
    silent = ScriptedBackend([Pause(), "never"])
    patient = Deadlines(first_token_s=0.01)

    answer, events = await ask(
        candidate_at("m", deployment(silent, deadlines=patient)),
        candidate("other", ScriptedBackend(["Instead."])),
    )

    assert answer == "Instead."
    assert events[0] == retry(1, "timeout", "other")


async def test_a_provider_that_falls_silent_is_given_up_and_signs_of_life_count() -> None:
    gates = [asyncio.Event() for _ in range(3)]
    silent = ScriptedBackend([Pause(gates=gates), "Again."])
    model = candidate_at("m", deployment(silent, deadlines=Deadlines(first_token_s=60, idle_s=0.05)))

    began = time.monotonic()
    asking = asyncio.create_task(ask(model))
    for gate in gates:
        await asyncio.sleep(0)
        gate.set()
    answer, events = await asking

    assert answer == "Again."
    assert events[0] == retry(1, "timeout", "m")
    assert time.monotonic() - began < 5


async def test_a_provider_that_takes_too_long_in_all_is_given_up_whatever_its_signs_of_life() -> None:
    sign = asyncio.Event()
    sign.set()
    talking = ScriptedBackend([Pause(gates=[sign] * 3)])
    deadlines = Deadlines(first_token_s=60, idle_s=60, total_s=0.05)

    answer, events = await ask(
        candidate_at("m", deployment(talking, deadlines=deadlines)),
        candidate("other", ScriptedBackend(["Instead."])),
    )

    assert answer == "Instead."
    assert events[0] == retry(1, "timeout", "other")


async def test_a_deadline_of_the_caller_is_not_taken_for_silence() -> None:
    model = FailoverModel([candidate("m", ScriptedBackend([Pause()]))], retries=AT_ONCE)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await model.complete(REQUEST, lambda _: None)


async def test_load_is_shared_and_who_fails_rests() -> None:
    clock = Clock()
    first, second = ScriptedBackend(["1"] * 9), ScriptedBackend([failing("rate_limited", retry_after_s=10), *"2" * 9])
    both = candidate_at("m", deployment(first, Circuit(clock)), deployment(second, Circuit(clock)))

    answers = [(await ask(both))[0] for _ in range(4)]
    clock.time = 11
    answers += [(await ask(both))[0] for _ in range(3)]

    assert answers == ["1", "1", "1", "1", "2", "2", "2"]


async def test_two_requests_at_once_go_to_two_deployments() -> None:
    gate = asyncio.Event()
    first, second = ScriptedBackend([Pause(gates=[gate], then="1")]), ScriptedBackend(["2"])
    both = candidate("m", first, second)

    waiting = asyncio.create_task(ask(both))
    await first.begun.wait()
    answer, _ = await ask(both)
    gate.set()

    assert (answer, (await waiting)[0]) == ("2", "1")


async def test_a_circuit_opens_after_several_outages_and_one_success_closes_it() -> None:
    clock = Clock()
    backend = ScriptedBackend([*[failing("unreachable")] * (OUTAGES + 1), "Back."])
    circuit = Circuit(clock)
    model = candidate_at("m", deployment(backend, circuit))

    await ask(model)
    await ask(model)
    opened = len(backend.asked)
    paused, _ = await ask(model)
    clock.time += REST_S
    trial, _ = await ask(model)
    clock.time += REST_S
    healed, _ = await ask(model)

    assert (opened, len(backend.asked)) == (OUTAGES, OUTAGES + 2)
    assert "left alone for a while" in str(paused)
    assert isinstance(trial, ModelError)
    assert (healed, circuit.problem, circuit.is_open) == ("Back.", None, False)


async def test_only_one_request_tries_a_circuit_that_has_rested() -> None:
    clock = Clock()
    gate = asyncio.Event()
    backend = ScriptedBackend([*[failing("overloaded")] * OUTAGES, Pause(gates=[gate], then="Back."), "Fine."])
    model = candidate_at("m", deployment(backend, Circuit(clock)))
    await ask(model)
    await ask(model)

    clock.time = REST_S
    backend.begun.clear()
    trial = asyncio.create_task(ask(model))
    await backend.begun.wait()
    refused, _ = await ask(model)
    gate.set()

    assert "left alone" in str(refused)
    assert ((await trial)[0], (await ask(model))[0]) == ("Back.", "Fine.")


async def test_an_open_circuit_leaves_the_work_to_the_fallback() -> None:
    broken = ScriptedBackend([failing("unreachable")] * OUTAGES)
    model = candidate_at("m", deployment(broken, Circuit(Clock())))
    await ask(model)
    await ask(model)

    answer, events = await ask(model, candidate("other", ScriptedBackend(["Instead."])))

    assert answer == "Instead."
    assert events[0] == retry(1, "paused", "other")


def test_a_model_is_unwell_while_all_its_deployments_are() -> None:
    clock = Clock()
    circuits = Circuits(clock)
    first, second = circuits.of("m", 0), circuits.of("m", 1)

    first.learn(failing("credentials"))
    one = circuits.problem("m", 2)
    second.learn(failing("rate_limited", retry_after_s=7.5))
    both = circuits.problem("m", 2)
    clock.time = 10
    later = circuits.problem("m", 2)

    assert one is later is None
    assert both == "It failed (credentials). It is tried again in 60 s, or choose another model."
    assert second.problem is None


def test_one_outage_is_not_held_against_a_model() -> None:
    circuit = Circuit(Clock())

    circuit.learn(failing("overloaded"))

    assert (circuit.problem, circuit.is_open) == (None, False)


def test_an_open_circuit_says_how_often_it_failed() -> None:
    circuit = Circuit(Clock())
    for _ in range(OUTAGES):
        circuit.learn(failing("unreachable"))

    assert circuit.problem == (
        "It failed 5 times in a row (unreachable). It is tried again in 20 s, or choose another model."
    )


def test_a_request_that_is_refused_for_its_own_sake_shows_that_the_provider_is_there() -> None:
    circuit = Circuit(Clock())
    for _ in range(OUTAGES - 1):
        circuit.learn(failing("overloaded"))

    circuit.learn(failing("rejected"))
    circuit.learn(failing("overloaded"))

    assert not circuit.is_open


def test_only_so_many_circuits_are_remembered() -> None:
    circuits = Circuits(Clock())
    first = circuits.of("m0", 0)

    for number in range(1, 1001):
        circuits.of(f"m{number}", 0)

    assert circuits.of("m1000", 0) is circuits.of("m1000", 0)
    assert circuits.of("m0", 0) is not first
