"""Any history that hypothesis can think of, on the pure core: the books are the model's.

Rules: messages come, come again, or contradict what came; the process ends and begins from its
rows; it stores a checkpoint; time passes; the log is replayed; payments are made at the end.
"""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from agents.roles.verify import Replay
from tests.model.compare import differences, unbalanced
from tests.model.generator import Message, generate, shuffled
from tests.model.ledger import expected
from tests.model.played import Played, shown

EVENTS, TENANTS = 28, 3
EXAMPLES, STEPS = 2_000, 20


class History(RuleBasedStateMachine):
    """One partition and what came to it."""

    @initialize(seed=st.integers(0, (1 << 31) - 1))
    def begin(self, seed: int) -> None:
        self.load = generate(seed, EVENTS, tenants=TENANTS, duplicates=0.1, late=0.1, poison=0.15)
        self.left = shuffled(self.load.messages, seed)
        self.sent: list[Message] = []
        self.played = Played(seed, 1, sizes=(1, 2, 5))

    @property
    def core(self):
        return self.played.cores[0]

    def _send(self, messages: list[Message]) -> None:
        self.played.messages(messages)
        self.sent += messages

    @precondition(lambda self: self.left)
    @rule(count=st.integers(1, 8))
    def messages_come(self, count: int) -> None:
        some, self.left = self.left[:count], self.left[count:]
        self._send(some)

    @precondition(lambda self: any(not each.reason for each in self.sent))
    @rule(data=st.data())
    def one_comes_again(self, data) -> None:
        known = [each for each in self.sent if not each.reason]
        since = len(self.core.entries)
        self._send([data.draw(st.sampled_from(known))])
        assert self.core.entries[since].status == "duplicate"

    @rule()
    def the_process_ends_and_begins(self) -> None:
        self.played.cores[0] = self.core.restarted()

    @rule()
    def a_checkpoint_is_stored(self) -> None:
        self.core.checkpoint()

    @rule(seconds=st.integers(0, 600))
    def time_passes(self, seconds: int) -> None:
        self.core.tick(seconds * 1_000)

    @rule()
    def the_log_is_replayed(self) -> None:
        replay = Replay(0, 1)
        for record in self.core.journal():
            assert replay.take(record) is None
        assert replay.finish().findings.violations == []

    @invariant()
    def control_accounts_hold(self) -> None:
        if hasattr(self, "played"):
            assert unbalanced(shown(self.played)) == []

    def teardown(self) -> None:
        if not hasattr(self, "played"):
            return
        self._send(self.left)
        self.played.stories(self.load.stories)
        assert differences(expected(self.sent, self.load.stories), shown(self.played)) == []
        assert self.core.violations() == []


TestHistory = History.TestCase
TestHistory.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
