"""The table of firmware updates: every situation has a row, honest devices get there, dishonest ones come to an end."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm2m_server.protocol.firmware import Failure, Method, Order, Phase, Push, Seen, Update, Way, ways
from lwm2m_server.protocol.firmware_table import (
    Action,
    Patience,
    Situation,
    begun_whole,
    cancelled,
    refused,
    step,
    unusable,
)
from objects.firmware import DeliveryMethod, PullProtocol, UpdateResult, UpdateState
from objects.path import Path
from secure_coap.numbers.codes import Code

PATIENCE = Patience()
DAY = 86_400.0
IDLE, DOWNLOADING, DOWNLOADED, UPDATING = UpdateState
R = UpdateResult


def update(phase: Phase = Phase.PENDING, **changes: object) -> Update:
    install = bool(changes.pop("install", True))
    order = Order("ep", Path(5, 0), bytes(32), install=install)
    made = Update(1, order, 1, expires_at=7 * DAY, since=0.0, phase=phase, size=1000, way=Push.PUSH)
    return replace(made, **changes)  # type: ignore[arg-type]


def after(one: Update, state: UpdateState, result: int = 0, now: float = 1.0, **more: object) -> tuple[Update, Action]:
    registered_at = float(more.pop("registered_at", 0.0))  # type: ignore[arg-type]
    return step(Situation(one, Seen(state, result, registered_at), now, PATIENCE, **more))  # type: ignore[arg-type]


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase.open])
def test_every_situation_has_a_row(phase: Phase) -> None:
    for state, result, now, attempt, way, install in product(
        UpdateState, range(20), (1.0, 700.0, 4000.0, 8 * DAY), (0, 3), (Push.PUSH, PullProtocol.COAP), (True, False)
    ):
        one = update(phase, attempt=attempt, way=way, install=install)
        changed, action = after(one, state, result, now)
        assert changed.result == result
        assert (changed.failure is not None) == (changed.phase is Phase.FAILED)
        assert action not in {Action.TRANSFER, Action.EXECUTE} or changed.phase.open
        if now > one.expires_at and phase is not Phase.CANCELLING:
            assert changed.phase is Phase.FAILED


def test_a_push_that_is_installed() -> None:
    one, action = after(update(), IDLE)
    assert (one.phase, action, one.attempt) == (Phase.TRANSFERRING, Action.TRANSFER, 1)
    one, action = after(one, DOWNLOADED)
    assert one.phase is Phase.DELIVERED
    assert after(one, DOWNLOADED, together=False)[1] is Action.LOOK
    one, action = after(one, DOWNLOADED)
    assert (one.phase, action) == (Phase.INSTALLING, Action.EXECUTE)
    assert after(one, UPDATING)[1] is Action.LOOK
    assert after(one, IDLE, R.SUCCESS)[0].phase is Phase.INSTALLED


def test_a_package_that_is_only_to_be_kept() -> None:
    one, action = after(update(Phase.DELIVERED, install=False), DOWNLOADED, together=False)
    assert (one.phase, action) == (Phase.KEPT, Action.RESET)


def test_what_lies_on_the_device_is_removed_first() -> None:
    assert after(update(), DOWNLOADED)[1] is after(update(), DOWNLOADING)[1] is Action.RESET
    assert after(update(), UPDATING)[1] is Action.LOOK
    assert after(update(), UPDATING, now=700)[0].failure is Failure.BUSY


def test_a_pull_waits_while_it_makes_progress() -> None:
    one = update(Phase.TRANSFERRING, way=PullProtocol.COAPS, attempt=1, progress_at=500.0)
    assert after(one, IDLE)[1] is after(one, DOWNLOADING, now=1000)[1] is Action.LOOK
    assert after(one, DOWNLOADING, now=1200)[1] is Action.TRANSFER
    assert after(replace(one, attempt=3), DOWNLOADING, now=1200)[0].failure is Failure.STALLED
    assert after(replace(one, attempt=3), DOWNLOADING, now=1200, registered_at=1000)[1] is Action.LOOK


def test_a_device_that_started_anew_gets_the_image_again() -> None:
    one = update(Phase.TRANSFERRING, way=PullProtocol.COAPS, attempt=1, transferred=500)
    again, action = after(one, IDLE, now=100, registered_at=50)
    assert (again.attempt, again.transferred, action) == (2, 0, Action.TRANSFER)
    lost, action = after(update(Phase.DELIVERED, attempt=1), IDLE)
    assert (lost.phase, action) == (Phase.TRANSFERRING, Action.TRANSFER)
    assert after(update(Phase.INSTALLING, attempt=3), IDLE)[0].failure is Failure.OUT_OF_ORDER


def test_an_old_success_is_not_this_one() -> None:
    one = update(Phase.TRANSFERRING, attempt=1)
    assert after(one, IDLE, R.SUCCESS)[1] is Action.TRANSFER
    assert after(replace(one, transferred=1000), IDLE, R.SUCCESS)[0].phase is Phase.INSTALLED


@pytest.mark.parametrize("result", [R.NOT_ENOUGH_STORAGE, R.INTEGRITY_CHECK_FAILED, R.CONFLICTING_STATE, 19])
def test_results_that_end_a_transfer(result: int) -> None:
    one, action = after(update(Phase.TRANSFERRING, attempt=1), IDLE, result)
    assert (one.failure, one.result, action) == (Failure.RESULT, result, Action.NOTHING)


def test_a_lost_connection_is_tried_again_and_again_but_not_for_ever() -> None:
    one = update(Phase.TRANSFERRING, attempt=1)
    assert after(one, IDLE, R.CONNECTION_LOST)[1] is Action.TRANSFER
    assert after(replace(one, attempt=3), IDLE, R.CONNECTION_LOST)[0].failure is Failure.RESULT


def test_an_update_put_off_by_its_user() -> None:
    one, action = after(update(Phase.INSTALLING), DOWNLOADED, R.DEFERRED)
    assert (one.phase, action) == (Phase.DEFERRED, Action.LOOK)
    assert after(one, UPDATING)[0].phase is Phase.INSTALLING
    assert after(one, DOWNLOADED, R.DEFERRED, now=6 * DAY)[0].phase is Phase.DEFERRED
    brief = replace(one, order=replace(one.order, deferrable=60))
    assert after(brief, DOWNLOADED, R.DEFERRED, now=3700)[0].failure is Failure.STALLED


def test_an_order_that_shows_no_effect_is_repeated_in_its_time() -> None:
    one = update(Phase.INSTALLING)
    assert after(one, DOWNLOADED, now=5)[1] is Action.LOOK
    assert after(one, DOWNLOADED, now=11)[1] is Action.EXECUTE
    assert after(one, DOWNLOADED, now=3600)[0].failure is Failure.INSTALL_TIMEOUT
    assert after(one, UPDATING, now=3600)[0].failure is Failure.INSTALL_TIMEOUT


def test_cancelling() -> None:
    assert cancelled(update(), 1).phase is Phase.CANCELLED
    assert cancelled(update(Phase.INSTALLED), 1).phase is Phase.INSTALLED
    one = cancelled(update(Phase.TRANSFERRING), 1)
    assert after(one, DOWNLOADING)[1] is Action.CANCEL
    assert after(one, IDLE)[0].phase is Phase.CANCELLED
    assert after(one, UPDATING)[0].phase is Phase.INSTALLING
    assert after(one, DOWNLOADED, now=700)[0].failure is Failure.OUT_OF_ORDER
    companion = cancelled(update(Phase.DELIVERED), 1, Failure.COMPANION)
    assert after(companion, IDLE)[0].failure is Failure.COMPANION


def test_refusals() -> None:
    one = update(Phase.TRANSFERRING, attempt=1)
    for passing in (Code.INTERNAL_SERVER_ERROR, Code.METHOD_NOT_ALLOWED, Code.TOO_MANY_REQUESTS):
        again, action = refused(one, passing, "", 1)
        assert (again.phase, again.attempt, action) == (Phase.PENDING, 0, Action.LOOK)
    ended, action = refused(one, Code.BAD_REQUEST, "digest", 1)
    assert (ended.failure, ended.detail, action) == (Failure.REFUSED, "digest", Action.NOTHING)
    assert refused(update(Phase.INSTALLING), Code.METHOD_NOT_ALLOWED, "", 1)[0].phase is Phase.INSTALLING
    assert unusable(one, "State is 7", 1).failure is Failure.OUT_OF_ORDER


seen = st.tuples(st.sampled_from(UpdateState), st.integers(0, 19), st.floats(200, 4000), st.booleans(), st.booleans())


@given(st.lists(seen, min_size=1, max_size=30), st.sampled_from((Push.PUSH, PullProtocol.COAPS)), st.booleans())
def test_no_device_keeps_an_update_going_for_ever(
    shown: list[tuple[UpdateState, int, float, bool, bool]], way: Way, install: bool
) -> None:
    """Whatever it shows, again and again, the update ends by its expiry, with few transfers, and then stays ended."""
    one, now, transfers, registered_at = update(way=way, install=install), 0.0, 0, 0.0
    while one.phase.open:
        for state, result, pause, registers, refuses in shown:
            now += pause
            registered_at = now if registers else registered_at
            one, action = step(Situation(one, Seen(state, result, registered_at), now, PATIENCE))
            transfers += action is Action.TRANSFER
            assert action is not Action.EXECUTE or one.order.install
            if not one.phase.open:
                break
            if refuses and action in {Action.TRANSFER, Action.EXECUTE}:
                one, action = refused(one, Code.FORBIDDEN, "", now)
                break
        assert now < 9 * DAY
    assert transfers <= PATIENCE.attempts


def test_ways() -> None:
    served = (PullProtocol.COAP, PullProtocol.COAPS, PullProtocol.HTTPS)
    push, pull, both = DeliveryMethod.PUSH, DeliveryMethod.PULL, DeliveryMethod.BOTH
    assert ways(Method.AUTO, both, (), served, authenticated=True) == (Push.PUSH, PullProtocol.COAPS)
    assert ways(Method.AUTO, pull, (), served, authenticated=False) == (PullProtocol.COAP,)
    assert ways(Method.AUTO, pull, (0, 2), served, authenticated=True) == ()
    assert ways(Method.PULL, both, (3, 1, 77), served, authenticated=True) == (PullProtocol.COAPS, PullProtocol.HTTPS)
    assert ways(Method.PULL, both, (0, 1), served, authenticated=False) == (PullProtocol.COAP, PullProtocol.COAPS)
    assert ways(Method.PULL, push, (), served, authenticated=True) == ()
    assert ways(Method.PUSH, pull, (), served, authenticated=True) == ()
    assert PullProtocol.COAPS_TCP.scheme == "coaps+tcp"


@pytest.mark.parametrize("failure", list(Failure))
def test_a_failure_counts_once_everything_was_sent(failure: Failure) -> None:
    failed = replace(update(Phase.FAILED), failure=failure, left_out=("#image",), saved=5, attempt=2)
    again = begun_whole(failed, 7.0)
    if failure in {Failure.RESULT, Failure.REFUSED}:
        assert (again.phase, again.failure, again.whole, again.left_out, again.saved) == (
            Phase.PENDING, None, True, (), 0
        )  # fmt: skip
        assert begun_whole(replace(again, phase=Phase.FAILED, failure=failure), 8.0).phase is Phase.FAILED
    else:
        assert again == failed
