"""What a run has spent, and what it may still spend on its next reply: reserved for the worst case, before it asks."""

from __future__ import annotations

from dataclasses import dataclass, replace

from agent_bridge.estimate import tokens_of_all, tokens_of_definitions
from agent_bridge.messages import ModelFacts, ModelRequest
from agent_bridge.records import Notice, Run, StopReason

MARGIN = 1.25
"""An estimate of tokens may be so much too low."""
SHORTEST_REPLY = 16
"""A reply that may not even have so many tokens is not worth its prompt."""
LONGEST_REPLY = 16_384
"""What a reply of a model that nobody knows is taken to have at most: asked for more, some refuse the request."""
LEAST_S = 0.001
LEAST_USD = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """How long the next reply may be, and which limit says so; a reply of no length must not be asked for."""

    max_tokens: int | None = None
    limit: StopReason = "max_tokens"

    @property
    def is_spent(self) -> bool:
        return self.max_tokens is not None and self.max_tokens < SHORTEST_REPLY


def reached(run: Run) -> StopReason | None:
    """The limit that what was spent so far has reached."""
    limits = run.limits
    spent: list[tuple[StopReason, float, float | None]] = [
        ("max_steps", len(run.replies), limits.max_steps),
        ("max_tool_calls", len(run.calls), limits.max_tool_calls),
        ("max_tokens", tokens_spent(run), limits.max_tokens),
        ("max_cost_usd", cost_of(run), limits.max_cost_usd),
    ]
    return next((reason for reason, used, most in spent if most is not None and used >= most), None)


def tokens_spent(run: Run) -> int:
    """As far as the provider has told."""
    return sum((usage.input_tokens or 0) + (usage.output_tokens or 0) for usage in run.usages)


def cost_of(run: Run) -> float:
    """As far as it is known."""
    return sum(usage.cost_usd or 0 for usage in run.usages)


def left(run: Run, *, active_s: float) -> dict[str, int | float]:
    """What the limits leave to a run that one of its calls begins at another bridge.

    The calls that are at work share it evenly, so that together they keep the limit. It is never nothing: a limit of
    nothing is none.
    """
    limits = run.limits
    sharing = max(1, sum(call.status in ("running", "approved") for call in run.calls))
    left: dict[str, int | float] = {"timeout_s": max(LEAST_S, limits.timeout_s - active_s)}
    if limits.max_tool_calls is not None:
        left["max_tool_calls"] = max(1, (limits.max_tool_calls - len(run.calls)) // sharing)
    if limits.max_tokens is not None:
        left["max_tokens"] = max(1, (limits.max_tokens - tokens_spent(run)) // sharing)
    if limits.max_cost_usd is not None:
        left["max_cost_usd"] = max(LEAST_USD, (limits.max_cost_usd - cost_of(run)) / sharing)
    return left


def allowance_aside(run: Run, request: ModelRequest, facts: ModelFacts) -> Allowance:
    """As `allowance`, of a request for somebody else than the run. It leaves the run the last of its replies."""
    if run.limits.max_steps is not None and len(run.replies) + 1 >= run.limits.max_steps:
        return Allowance(max_tokens=0, limit="max_steps")
    return allowance(run, request, facts, goes_on=False)


def allowance(run: Run, request: ModelRequest, facts: ModelFacts, *, goes_on: bool = True) -> Allowance:
    """Reserves what the prompt costs, and leaves the rest to the reply.

    `goes_on`: the request begins with what the run's last step was asked, which the provider has counted.
    """
    limits = run.limits
    if limits.max_tokens is None and limits.max_cost_usd is None:
        return Allowance()
    prompt = prompt_tokens(run if goes_on else replace(run, steps=()), request, facts)
    tightest = min((_by_tokens(run, prompt), _by_cost(run, prompt, facts)), key=_length)
    longest = LONGEST_REPLY if facts.max_output_tokens is None else facts.max_output_tokens
    return tightest if _length(tightest) < longest else Allowance()


def prompt_tokens(run: Run, request: ModelRequest, facts: ModelFacts) -> int:
    """At most so many: as the provider counted them for the last step, and an estimate of what came since."""
    known, new = _counted(run, request)
    tokens = known + int(new * MARGIN)
    return tokens if facts.max_input_tokens is None else min(tokens, facts.max_input_tokens)


def expected(run: Run, request: ModelRequest) -> int:
    """About how many tokens the request has."""
    return sum(_counted(run, request))


def unkept(run: Run, facts: ModelFacts) -> Notice | None:
    """What the caller should know of a limit that cannot be kept."""
    if run.limits.max_cost_usd is None or None not in (facts.input_cost_per_token, facts.output_cost_per_token):
        return None
    return Notice(
        code="cost_unknown",
        message=f"Nobody knows the prices of the model '{run.model}', so max_cost_usd counts only what the provider "
        "reports. Give the model input_cost_per_token and output_cost_per_token in servers.yaml, or limit max_tokens.",
    )


def _counted(run: Run, request: ModelRequest) -> tuple[int, int]:
    """The tokens that the provider has counted, and about how many there are besides."""
    everything = tokens_of_all(request.messages) + tokens_of_definitions(request)
    usage = run.steps[-1].usage if run.steps and not _summed_up_since(run) else None
    if usage is None or not usage.input_tokens or usage.output_tokens is None:  # none at all: nobody counted
        return 0, everything
    replies = [number for number, message in enumerate(request.messages) if message["role"] == "assistant"]
    return usage.input_tokens + usage.output_tokens, tokens_of_all(request.messages[replies[-1] + 1 :])


def _summed_up_since(run: Run) -> bool:
    """Whether the last step was sent another conversation than the next one will be."""
    return run.summary is not None and run.summary.steps == len(run.steps)


def _by_tokens(run: Run, prompt: int) -> Allowance:
    if run.limits.max_tokens is None:
        return Allowance()
    return Allowance(max_tokens=max(0, run.limits.max_tokens - tokens_spent(run) - prompt), limit="max_tokens")


def _by_cost(run: Run, prompt: int, facts: ModelFacts) -> Allowance:
    read, written = facts.input_cost_per_token, facts.output_cost_per_token
    if run.limits.max_cost_usd is None or read is None or written is None:
        return Allowance()
    left = run.limits.max_cost_usd - cost_of(run) - prompt * read
    if written > 0:
        return Allowance(max_tokens=max(0, int(left / written)), limit="max_cost_usd")
    return Allowance() if left >= 0 else Allowance(max_tokens=0, limit="max_cost_usd")


def _length(allowed: Allowance) -> float:
    return float("inf") if allowed.max_tokens is None else allowed.max_tokens
