"""A simulated world whose daemon dies and boots again, from a disk that may forget.

Owns the machine: the state folder, the boots through the same recovery as live, and the ways a
process ends. Must not know when anything happens; that is the supervisor's, the operator's and
the faults'. Everything that one boot leaves to the next stands in files, as in the real state
folder: journal, latch, epoch, the recorder's cursor.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hftd.config.load import LoadedProfile
from hftd.domain.codes import Code, TradingState
from hftd.domain.events import Link
from hftd.drivers import memory
from hftd.drivers.latch_file import LatchFile
from hftd.drivers.run import Run
from hftd.drivers.simulate import TAG, World
from hftd.drivers.simulate_disk import SimulatedDisk
from hftd.drivers.simulate_network import Latency
from hftd.drivers.simulate_process import Process, ProcessDied
from hftd.drivers.watch import InvariantViolated, Watch
from hftd.errors import HftdError
from hftd.journal.cursor import RecorderCursor, publish
from hftd.journal.reader import JournalReader
from hftd.journal.record import VERSION, Record, RecordType, Stream, encode_json, run_id
from hftd.journal.writer import JournalFull, JournalWriter
from hftd.runtime import identity
from hftd.simex.flow_noise import Noise

SECOND_NS = 1_000_000_000
SEGMENT_BYTES = 2 << 20
RECORDER_EVERY_NS = 1_000_000_000
POWERLESS_NS = 60 * SECOND_NS  # So long the exchange believes in a peer that says nothing.
_LINKS = [bytes([link]) for link in range(256)]
RUNNING, STOPPED, DEAD = "running", "stopped", "dead"


class RestartingWorld(World):
    """A world with a disk, whose daemon has as many lives as it is given.

    ``boot`` it again after ``on_exit`` or ``on_death``; ``ended`` says how the last life went.
    """

    segment_bytes = SEGMENT_BYTES

    def __init__(
        self,
        loaded: LoadedProfile,
        build: memory.Builders,
        seed: int,
        folder: Path,
        watch: Watch,
        latency: Latency | None = None,
        drift_ppm: int = 0,
    ) -> None:
        """Make the world; ``folder`` is the state folder, best in memory, and empty."""
        super().__init__(loaded, build, seed, None, latency, drift_ppm)
        self.watch = watch
        self.noise = Noise(seed ^ 0xD15C)
        self.disk = SimulatedDisk(self.noise, self.boundary)
        self.digest = hashlib.blake2b(digest_size=16)
        self.folder = self.journal_folder = self._latch_path = folder
        self.move_to(folder)
        self.journal_folder.mkdir(parents=True, exist_ok=True)
        self.process = self.daemon.process
        self.said = ""  # Why a process ended by itself, in its own words.
        self.boots = 0
        self.boundaries = 0
        self.kept_seq = 0  # The last record that this boot goes on from.
        self.ended_by_power = False
        self.market_events = 0  # Frames of market data that the daemon has read.
        self.dies_at = 0  # The boundary at which the process dies, 0: at none.
        self.dies_how = "kill -9"
        self.ended: tuple[str, str | int] = (DEAD, "not booted")
        self.on_end: Callable[[], None] = lambda: None
        self.recorder_runs = True
        self._ordered_seq = 0  # The last record of the orders stream.
        self._synced_seq = self._sync_errno = 0
        self._cursor: RecorderCursor | None = None  # What the recorder has not published yet.
        self._journal: JournalWriter | None = None
        self._run: Run | None = None
        watch.begin(self)

    def move_to(self, folder: Path) -> None:
        """Let the state folder be this one, into which the old one was copied."""
        self.disk.move(self.journal_folder, folder / "journal")
        self.folder = folder
        self.journal_folder = folder / "journal"
        self._latch_path = folder / "latch.json"

    # --- a life ---------------------------------------------------------------------------

    def boot(self) -> None:
        """Boot the daemon as `drivers.live` does; what refuses ends it with its exit code."""
        self.process = process = self._new_process()
        self.exited = False
        self.ended = (RUNNING, "")
        self.boots += 1
        try:
            fields = self._set_up(process)
            self.daemon.boot(**fields)
        except ProcessDied as death:
            self.on_death(death.kind)
        except InvariantViolated:
            raise
        except (HftdError, JournalFull) as error:
            self.said = str(error)
            self.on_exit(getattr(error, "exit_code", HftdError.exit_code))

    def _set_up(self, process: Process) -> dict[str, int]:
        reader = JournalReader(self.journal_folder)
        remembered = memory.recall(reader, self.build)
        process.not_before(remembered.last_ns)
        if self.ended_by_power:
            self.kept_seq = remembered.seq
        self.instruments = self._list_instruments()
        engine = self.build.engine(self.loaded.profile, self.instruments)
        memory.carry_over(remembered, engine, self.instruments, self.loaded)
        ts_ns = process.ts_ns()
        epoch = identity.next_epoch(self.folder / "epoch", ts_ns // SECOND_NS)
        journal = JournalWriter(
            self.journal_folder,
            segment_bytes=self.segment_bytes,
            disk_floor_bytes=1,
            disk=self.disk,
        )
        name = run_id(ts_ns, epoch, "paper")
        header = memory.header(name, epoch, TAG, self.loaded, self.instruments)
        ink = WatchedInk(journal, self)
        self._journal = journal
        self._run = Run(journal, engine, header, ts_ns, remembered.untold)
        # Who watches hears of the new run first: what a loss of power took back is no more told.
        opening = [(self._run.seq, RecordType.HEADER, encode_json(header))]
        late_seq = self._run.seq - len(remembered.untold)
        for seq, facts in enumerate(remembered.untold, late_seq):
            opening.append((seq, RecordType.FACT, facts))
        for seq, kind, words in opening:
            record = Record(seq, kind, VERSION, ts_ns, memoryview(words), Stream.ORDERS)
            self.watch.on_journal(record)
        self._ordered_seq = self._synced_seq = journal.seq
        self.ended_by_power = False
        self._sync_errno = 0
        self.boundary("run begun")
        self._adopt(self._new_daemon(process, engine, ink, self._keep_house))
        self._latch = LatchFile(self._latch_path, lambda _words: None)
        latch = self._latch.at_boot(remembered.latched, ts_ns)
        if latch.state != self.latched[0]:
            self.latched = latch.state, latch.code
            self.watch.on_latch(TradingState(latch.state), Code(latch.code))
        self.watch.on_boot(epoch)
        self.calendar.at(self.now_ns + RECORDER_EVERY_NS, process.take, self._record, process)
        return {
            "epoch": epoch,
            "on_crash": int(self.loaded.profile.on_crash == "resume"),
            "latched": latch.state,
            "code": latch.code,
            "crashed": int(remembered.crashed),
        }

    def _keep_house(self, ts_ns: int) -> JournalFull | None:
        assert self._journal is not None and self._run is not None
        full = self._journal.maintain()
        self._run.keep_short(ts_ns)
        self._latch.retry()
        return full

    def _record(self, process: Process) -> None:
        # The recorder: it brings the journal to the disk and says how far; it outlives nothing.
        if process.dead or self._journal is None:
            return
        if self.recorder_runs:
            # The kernel tells of a lost write once, and the recorder goes on telling of it.
            self._sync_errno = self.disk.sync() or self._sync_errno
            if self._sync_errno == 0:
                self._synced_seq = self._ordered_seq
            seq, synced_seq = self._journal.seq, self._synced_seq
            self._cursor = RecorderCursor(seq, synced_seq, self.now_ns, 1, self._sync_errno)
            if self._sync_errno:
                self.publish_cursor()
        self.calendar.at(self.now_ns + RECORDER_EVERY_NS, process.take, self._record, process)

    def publish_cursor(self) -> None:
        """Bring the recorder's file to where the recorder is.

        A daemon that lives reads of it nothing but whether a sync failed; so it is written where
        one did, and where somebody is going to read the folder.
        """
        if self._cursor is not None:
            publish(self.journal_folder, self._cursor)
            self._cursor = None

    def restart_recorder(self) -> None:
        """Let the recorder be there again."""
        self.recorder_runs = True

    # --- its end --------------------------------------------------------------------------

    def on_exit(self, code: int) -> None:
        """End the process by itself: links, then the journal, sealed where all went well."""
        self.publish_cursor()
        process = self.process
        if not process.dead:
            process.die()
            self.roads.die()
        if code == 0 and self._journal is not None and self._run is not None:
            self._seal(process.ts_ns())
        self._end((STOPPED, code))

    def _seal(self, ts_ns: int) -> None:
        assert self._journal is not None and self._run is not None
        try:
            self._run.seal(ts_ns)
            self._journal.close()
        except JournalFull:
            pass  # The run counts as crashed, and the next start recovers.
        except ProcessDied:
            self.watch.on_crash(self.dies_how)

    def on_death(self, kind: str) -> None:
        """End the process where it stands; with the power goes what was not durable."""
        self.publish_cursor()
        process = self.process
        process.die()
        self.roads.die(POWERLESS_NS if kind == "power" else 0)
        if kind == "power":
            self.watch.sometimes("power lost")
            if self.disk.lose_power(self.journal_folder):
                self.watch.sometimes("journal lost its newest records")
        self.watch.on_crash(kind)
        self._end((DEAD, kind))

    def _end(self, how: tuple[str, str | int]) -> None:
        self.dies_at = 0
        self.kept_seq = self._ordered_seq
        self.ended_by_power = self.ended_by_power or how == (DEAD, "power")
        self._journal = self._run = None
        self.recorder_runs = True
        self.exited = True
        self.ended = how
        self.on_end()

    @property
    def alive(self) -> bool:
        """Return whether a process of the daemon lives."""
        return self.ended[0] == RUNNING

    def run_until(self, ts_ns: int) -> None:
        """Let everything happen up to and including a time, whether a daemon lives or not."""
        calendar = self.calendar
        while calendar.next_ns() <= ts_ns:
            calendar.turn()
        calendar.now_ns = max(calendar.now_ns, ts_ns)

    # --- effect boundaries ----------------------------------------------------------------

    def boundary(self, _what: str) -> None:
        """Come to a place where the process may die: before or after an effect.

        Raises: ProcessDied where it is to die here.
        """
        self.boundaries += 1
        if self.boundaries == self.dies_at:
            raise ProcessDied(self.dies_how)

    def on_turn(self) -> None:
        """Hear that the loop has taken an input whole."""
        self.watch.on_step(self)

    def on_sent(self, link: Link, frame: bytes) -> None:
        """Hear of a frame that leaves the daemon."""
        self.boundary("send")
        self.digest.update(frame)
        self.watch.on_sent(link, frame, self.process.ts_ns())

    def on_first_order(self) -> bool:
        """Bring the whole journal to the disk."""
        assert self._journal is not None
        try:
            self._journal.sync()
        except JournalFull:
            return False
        return True

    def on_latch(self, state: int, code: int) -> None:
        """Keep the latch in its file."""
        self.boundary("latch")
        self._latch.write(state, code, self.process.ts_ns())
        self.latched = state, code
        self.watch.on_latch(TradingState(state), Code(code))
        self.boundary("latched")


class WatchedInk:
    """The journal's pen, whose every record is told, and counted into the world's trace."""

    def __init__(self, journal: JournalWriter, world: RestartingWorld) -> None:
        self._journal = journal
        self._world = world
        self._digest, self._readers = world.digest.update, world.watch.readers

    def append(self, record_type: RecordType, ts_ns: int, payload: Any) -> int:
        """Append to the orders stream."""
        world = self._world
        world.boundary("append")
        seq = self._journal.append(record_type, ts_ns, payload)
        self._tell(seq, record_type, ts_ns, payload, Stream.ORDERS)
        return seq

    def append_frame(self, ts_ns: int, link: int, frame: Any) -> int:
        """Append a raw frame to the orders stream."""
        self._world.boundary("append")
        seq = self._journal.append_frame(ts_ns, link, frame)
        self._tell(seq, RecordType.FRAME_IN, ts_ns, _LINKS[link] + frame, Stream.ORDERS)
        return seq

    def append_market(self, ts_ns: int, link: int, frame: Any) -> int:
        """Append a raw frame to the market stream."""
        self._world.boundary("append")
        self._world.market_events += 1
        seq = self._journal.append_market(ts_ns, link, frame)
        self._tell(seq, RecordType.FRAME_IN, ts_ns, _LINKS[link] + frame, Stream.MARKET)
        return seq

    def _tell(self, seq: int, kind: RecordType, ts_ns: int, payload: Any, stream: Stream) -> None:
        world = self._world
        if stream is Stream.ORDERS:
            world._ordered_seq = seq
        self._digest(payload)
        readers = self._readers(kind, payload[0])
        if readers:
            record = Record(seq, kind, VERSION, ts_ns, memoryview(payload), stream)
            for read in readers:
                read(record)
