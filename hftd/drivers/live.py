"""The live driver: real sockets and the machine's clock turn the one loop body.

Owns the life of the daemon between a loaded profile and its exit code: exchange, recovery,
links, timers, control socket, stop. Paper trading is this driver with the simulated exchange
as the venue. An exception in the engine is a bug of ours: everything is canceled, the journal
is synced, and the process ends with 70; what comes next is recovery.
"""
# long: one life from set-up to wind-up; what can stand alone has files of its own.

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, NamedTuple

from hftd.config.load import LoadedProfile
from hftd.control.server import ControlServer
from hftd.domain.codes import Code
from hftd.domain.events import CommandKind, EventKind, Link, Timer
from hftd.domain.facts import FactKind
from hftd.domain.layout import Records
from hftd.drivers import machine, memory
from hftd.drivers.announce import difference_lines, has_started, state_text
from hftd.drivers.books import assets_of, targets_ns
from hftd.drivers.last_resort import bug_text, cancel_all, ending_line, failure_of
from hftd.drivers.latch_file import LatchFile
from hftd.drivers.listing import listed_instruments
from hftd.drivers.loop import Loop
from hftd.drivers.operator import Operator
from hftd.drivers.performer import Performer
from hftd.drivers.rehearsal import Rehearsal
from hftd.drivers.reload import Read, RecorderOf, Reload, Start
from hftd.drivers.run import Run
from hftd.drivers.stamps import Stamps
from hftd.errors import HftdError, InvariantBroken
from hftd.journal.cursor import published
from hftd.journal.reader import JournalReader
from hftd.journal.record import RecordType, encode_json, run_id
from hftd.journal.writer import JournalFull, JournalWriter
from hftd.runtime import identity
from hftd.runtime.answers import Answers
from hftd.runtime.children import RecorderProcess
from hftd.runtime.clock import Clock
from hftd.runtime.connector import Connector
from hftd.runtime.notify import Notifier
from hftd.runtime.paths import InstancePaths
from hftd.runtime.telemetry import Telemetry
from hftd.runtime.venue_host import VenueHost
from hftd.venues.binance.signing import Signer
from hftd.venues.port import new_event

PULSE_SECONDS = 0.1
STOP_SECONDS = 20.0
ONE_WISH_SECONDS = 1.0
MB = 1 << 20

Say = Callable[[str], None]


class Parts(NamedTuple):
    """What the composition root hands to the live driver."""

    build: memory.Builders
    signer: Signer
    recorder: RecorderOf
    """The recorder's command line and environment by a profile."""
    read: Read
    """The profile read again, with more overrides."""
    venue_host: VenueHost


class Live:
    """One run of the daemon."""

    def __init__(
        self,
        loaded: LoadedProfile,
        paths: InstancePaths,
        parts: Parts,
        notifier: Notifier,
        say: Say,
    ) -> None:
        self._loaded = loaded
        self._paths = paths
        self._parts = parts
        self._notifier = notifier
        self._say = say
        self._clock = Clock()
        self._telemetry = Telemetry(targets_ns(loaded.profile))
        self._tag = identity.tag(paths.name)
        self._venue = parts.venue_host
        self._recorder = RecorderProcess(*parts.recorder(loaded), say)
        self._latch = LatchFile(paths.latch_path, say)
        journal = loaded.profile.journal
        self._journal = JournalWriter(
            paths.journal_dir,
            segment_bytes=journal.segment_mb * MB,
            max_bytes=journal.max_gb << 30,
            disk_floor_bytes=journal.disk_floor_mb * MB,
        )
        self._exit = asyncio.Event()
        sync = self._journal.sync_orders if journal.gate == "synced" else None
        self._performer = Performer(
            self._exit.set, self._latch, self._clock.ts_ns, self._journal.sync, sync
        )
        self._failure: HftdError | None = None
        self._rehearsal: Rehearsal | None = None
        self._setting_up: asyncio.Task[Any] | None = None
        self._hangups: set[asyncio.Task[None]] = set()
        self._questions_failed: set[str] = set()
        self._is_ready = self._journal_told = False
        self._state_seen = -1
        self._signals = self._pulses = self.loop_lag_ns = 0
        self._signaled_s = 0.0

    async def run(self) -> int:
        """Run until stopped; return the exit code.

        Raises: HftdError for what ended it before its time; its exit code is the process's.
        """
        began = time.monotonic()
        loop = asyncio.get_running_loop()
        self._setting_up = asyncio.current_task()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal)
        loop.set_exception_handler(self._on_unhandled)
        try:
            await self._set_up()
            self._setting_up = None
            self._say(f"set up in {time.monotonic() - began:.1f} s")
            await self._trade()
        except asyncio.CancelledError:
            if self._signals == 0:
                raise
            self._say("stopped before it traded")
        except Exception as error:  # noqa: BLE001 - the top of the driver: end with its code
            self._failure = failure_of(error)
        finally:
            await self._wind_up()
        if self._failure is not None:
            raise self._failure
        return 0

    async def _set_up(self) -> None:
        """Machine, memory, exchange, instruments, journal: everything before the first link."""
        if (cpu := self._loaded.profile.runtime.cpu) is not None:
            machine.pin(cpu, self._say)  # Before there are children, which keep off that core.
        machine.stay_in_memory()
        machine.go_first()
        machine.wake_at_once()
        remembered = memory.recall(JournalReader(self._paths.journal_dir), self._parts.build)
        self._clock.not_before(remembered.last_ns)
        endpoints = await self._venue.open()
        instruments = await listed_instruments(
            self._loaded.profile, endpoints, self._parts.signer, self._clock, self._say
        )
        self._instruments = instruments
        self._engine = self._parts.build.engine(self._loaded.profile, instruments)
        core = self._engine.state.core  # Views taken once: a record's field costs 10 µs a time.
        self._state, self._state_code = core["state"], core["state_code"]
        codec = self._parts.build.codec(self._loaded.profile, instruments, self._tag)
        memory.carry_over(remembered, self._engine, instruments, self._loaded)
        self._run = self._begin_run(remembered.untold)
        self._stamps = Stamps(self._telemetry)
        self._loop = Loop(self._engine, codec, self._journal, self._performer.perform, self._stamps)
        self._connector = Connector(
            endpoints, self._parts.signer, instruments, codec, self._on_frame, self._on_event,
            self._clock, self._loaded.profile.venue.recv_window_ms,
        )  # fmt: skip
        self._performer.roads = self._connector
        await self._recorder.start()
        await self._serve()
        latch = self._latch.at_boot(remembered.latched, self._clock.ts_ns())
        boot = new_event(
            EventKind.BOOT,
            self._clock.ts_ns(),
            epoch=self._epoch,
            on_crash=int(self._loaded.profile.on_crash == "resume"),
            latched=latch.state,
            code=latch.code,
            crashed=int(remembered.crashed),
        )
        self._on_event(boot)

    def _begin_run(self, untold: Sequence[bytes]) -> Run:
        ts_ns = self._clock.ts_ns()
        self._epoch = identity.next_epoch(self._paths.epoch_path, ts_ns // 1_000_000_000)
        name = run_id(ts_ns, self._epoch, self._loaded.profile.mode)
        header = memory.header(name, self._epoch, self._tag, self._loaded, self._instruments)
        return Run(self._journal, self._engine, header, ts_ns, untold)

    async def _serve(self) -> None:
        """Open the control socket: from here on the daemon can be asked and killed."""
        self._answers = Answers(
            engine=self._engine,
            instruments=self._instruments,
            assets=assets_of(self._instruments),
            loaded=self._loaded,
            instance=self._paths.name,
            tag=self._tag,
            clock=self._clock,
            telemetry=self._telemetry,
            journal_seq=lambda: self._journal.seq,
            recorder_seq=lambda: published(self._paths.journal_dir).seq,
            recorder_pid=lambda: self._recorder.pid,
            loop_lag_ns=lambda: self.loop_lag_ns,
            started_ns=self._clock.ts_ns(), venue_name=self._loaded.profile.venue.kind,
            doubt_atoms=self._venue.doubt_atoms,
            disk_free_mb=lambda: self._journal.free_bytes() // MB,
            recorder_faults=lambda: published(self._paths.journal_dir).faults,
        )  # fmt: skip
        self._reload = Reload(
            self._loaded, self._instruments, self._engine, self._parts.read, self._parts.recorder,
            self._clock.ts_ns, self._on_event, self._give, self._take, self._say,
        )  # fmt: skip
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._on_hangup)
        self._operator = Operator(
            self._engine, self._answers, self._tag, self._give, self._latch, self._reload
        )
        self._control = ControlServer(self._paths.control_socket, self._operator.dispatch)
        await self._control.start()

    async def _trade(self) -> None:
        """Open the links and wait for the end."""
        loop = asyncio.get_running_loop()
        if self._loaded.profile.runtime.spin:
            codec = self._parts.build.codec(self._loaded.profile, self._instruments, self._tag)
            seal = self._connector.sealed
            self._rehearsal = Rehearsal(self._loop, codec, self._clock.ts_ns, seal, self._say)
            machine.spin(self._exit, self._rehearsal)
        self._pulse_due = loop.time() + PULSE_SECONDS
        loop.call_at(self._pulse_due, self._pulse)
        work = (self._connect(), self._recorder.supervise(), self._venue.supervise())
        tasks = [asyncio.create_task(self._keep(each)) for each in work]
        await self._exit.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _connect(self) -> None:
        await self._connector.connect()
        await self._connector.run()

    async def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a part of the daemon for as long as it lives; whatever it raises ends trading."""
        try:
            await work
        except Exception as error:  # noqa: BLE001 - the top of the driver: cancel all, then end
            self._fail(error)

    def _on_unhandled(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Take what nobody awaits: a lost socket is the world's, anything else a bug of ours.

        A bug in the answer to a mere question changed nothing, and ends nothing: its caller hears
        of each, the screen of the first of each question.
        """
        error = context.get("exception")
        if (question := context.get("question")) is not None:
            if question not in self._questions_failed:
                self._questions_failed.add(question)
                self._say(f"{context['message']}, trading goes on: {bug_text(error)}")
        elif error is None or isinstance(error, OSError):
            self._say(f"event loop: {context.get('message')}: {error}")
        else:
            self._fail(error)

    # The top of the driver: an exception out of a step is a bug of ours, whatever its type.
    def _on_frame(self, link: Link, data: bytes, ts_ns: int, more: bool = False) -> None:
        if self._failure is None:
            self._guard(self._loop.on_frame, link, data, ts_ns, more)
            if link != Link.MARKET:  # A reconciliation ends with the answer to a question.
                for line in difference_lines(self._engine.facts, self._instruments, self._tag):
                    self._say(line)

    def _on_event(self, event: Records) -> None:
        if self._failure is None:
            self._guard(self._loop.on_event, event)

    def _guard(self, turn: Callable[..., None], *inputs: Any) -> None:
        try:
            turn(*inputs)
        except Exception as error:  # noqa: BLE001 - the top of the driver: cancel all, then end
            self._fail(error)
        else:
            self._watch_state()

    def _fail(self, error: BaseException) -> None:
        """Take every order off the market by the table as it stands, then end with the error."""
        if self._failure is not None:
            return
        # First, so that the process ends whatever fails below; one turn of the event loop carries
        # the cancels out before the links close.
        asyncio.get_running_loop().call_later(PULSE_SECONDS, self._exit.set)
        self._failure = failure_of(error)
        if hasattr(self, "_connector"):
            codec, perform = self._loop.codec, self._connector.perform
            reaches_venue = self._connector.may_send
            canceled = cancel_all(self._engine, codec, perform, self._clock.ts_ns())
            self._say(ending_line(canceled, reaches_venue, self._paths.name, self._failure))

    def _watch_state(self) -> None:
        """Tell people and systemd when the trading state moves; wake who waits for it."""
        seen = int(self._state[0]) << 8 | int(self._state_code[0])
        self._operator.tell_changed()
        if not self._is_ready:
            self._tell_ready()
        if seen == self._state_seen:
            return
        self._state_seen = seen
        text = state_text(self._engine.state.core[0])
        self._say(text)
        self._notifier.status(text)

    def _tell_ready(self) -> None:
        """Tell systemd READY once the recovery has come to its end, whatever its verdict."""
        core = self._engine.state.core[0]
        if has_started(core):
            self._is_ready = True
            self._notifier.ready(state_text(core))

    def _pulse(self) -> None:
        """Ten times a second: timers, the journal's room, snapshots, the watchdog."""
        if self._exit.is_set() or self._failure is not None:
            return
        loop = asyncio.get_running_loop()
        self.loop_lag_ns = max(0, int((loop.time() - self._pulse_due) * 1e9))
        lag = {"lag_ns": self.loop_lag_ns}
        self._on_event(new_event(EventKind.TIMER, self._clock.ts_ns(), timer=Timer.PULSE, **lag))
        self._pulses += 1
        if self._pulses % 10 == 0:
            self._on_event(new_event(EventKind.TIMER, self._clock.ts_ns(), timer=Timer.SECOND))
            if self._failure is None:
                self._guard(self._keep_house)
        if self._failure is None:
            self._notifier.watchdog()
            self._pulse_due = max(self._pulse_due + PULSE_SECONDS, loop.time())
            loop.call_at(self._pulse_due, self._pulse)

    def _keep_house(self) -> None:
        """Once a second: stage times, room in the journal, a snapshot when due, cycles."""
        ts_ns = self._clock.ts_ns()
        if times := self._telemetry.take_second():
            self._journal.append(RecordType.TELEMETRY, ts_ns, encode_json(dict(times)))
        full = self._journal.maintain()
        if full is not None and not self._journal_told:
            self._journal_told = True
            self._say(f"the journal has no room: {full}")
            self._loop.on_event(new_event(EventKind.JOURNAL_FAILED, ts_ns, code=full.errno))
        self._run.keep_short(ts_ns)
        if self._rehearsal is not None:
            self._rehearsal.renew()
        self._latch.retry()
        state = self._engine.state
        machine.tidy(not state.orders["key"].any() and not state.instruments["position_lots"].any())

    def _take(self, loaded: LoadedProfile, recorder: Start | None) -> None:
        """Hear which profile is in force since a reload, and what its recorder now is."""
        self._loaded = loaded
        self._answers.take(loaded)
        self._say(f"reloaded: {loaded.name} {loaded.config_hash}")
        if recorder is not None:
            self._recorder.renew(*recorder)

    def _give(
        self,
        kind: CommandKind,
        instrument: int,
        order_key: int,
        words: dict[str, Any],
        value: int = 0,
    ) -> Code:
        """Hand an operator's command in; return why the engine refused it, or NONE."""
        ts_ns = self._clock.ts_ns()
        fields = {
            "command": kind, "instrument": instrument, "order_key": order_key, "value": value
        }  # fmt: skip
        event = new_event(EventKind.COMMAND, ts_ns, **fields)

        def turn() -> None:
            self._journal.append(RecordType.COMMAND, ts_ns, encode_json(words))
            self._loop.on_event(event)

        if self._failure is None:
            self._guard(turn)
        if self._failure is not None:
            raise InvariantBroken(f"all orders are being canceled already: {self._failure}")
        for fact in self._engine.facts:
            if fact["kind"] == FactKind.COMMAND:
                return Code(int(fact["code"]))
        return Code.NONE

    def _on_hangup(self) -> None:
        task = asyncio.create_task(self._keep(self._reload.hang_up()))
        self._hangups.add(task)
        task.add_done_callback(self._hangups.discard)

    def _on_signal(self) -> None:
        """SIGTERM and Ctrl-C are ``stop``; a second one does not wait for the venue.

        Two at once are one wish: ``timeout`` tells the process, and then its group.
        """
        now_s = asyncio.get_running_loop().time()
        if now_s - self._signaled_s < ONE_WISH_SECONDS:
            return
        self._signals, self._signaled_s = self._signals + 1, now_s
        self._notifier.stopping()
        if self._setting_up is not None:
            if self._signals == 1:  # A second cancel would cut off the end of what was started.
                self._setting_up.cancel()
            return
        if self._signals > 1:
            self._give_up("a second signal came")
            return
        self._say("stopping: canceling all orders, then asking the venue")
        late = f"it was not confirmed in {STOP_SECONDS:g} s"
        asyncio.get_running_loop().call_later(STOP_SECONDS, self._give_up, late)
        self._give(CommandKind.STOP, -1, 0, {"command": "stop", "reason": "signal"})

    def _give_up(self, why: str) -> None:
        """End without the venue's word; the run counts as crashed, so that a start recovers."""
        if not self._exit.is_set():
            if self._failure is None:
                count = int((self._engine.state.orders["key"] != 0).sum())
                text = f"stop was not complete, since {why}: {count} orders may be open"
                self._failure = HftdError(text)
            self._exit.set()

    async def _wind_up(self) -> None:
        """Close in the order that loses nothing: links, journal, recorder, exchange.

        A signal that comes now is not heard: the end is under way, and the journal closes.
        After a failure the exchange goes on, as a real one would: a start attaches to it. One
        that was started for a run that did not come to trade is of no use to anybody.
        """
        self._exit.set()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            asyncio.get_running_loop().remove_signal_handler(number)
            signal.signal(number, signal.SIG_IGN)  # Which outlives the event loop.
        self._notifier.stopping()
        if hasattr(self, "_connector"):
            await self._connector.close()
        if hasattr(self, "_control"):
            await self._control.close()
        if hasattr(self, "_run"):
            self._end_run()
        await self._recorder.stop(self._paths.journal_dir / "recorder.lock")
        if self._failure is None or (self._setting_up is not None and not self._venue.attached):
            await self._venue.stop()
            if self._is_ready:
                self._say(f"stopped. {self._answers.clear_line()} {self._answers.position_line()}")

    def _end_run(self) -> None:
        """Seal the run; one that failed ends without RUN_END, so that the next recovers."""
        try:
            if self._failure is None and self._is_ready:
                self._run.seal(self._clock.ts_ns())
            self._journal.close()
        except JournalFull as full:
            self._say(f"the journal could not be closed: {full}")
