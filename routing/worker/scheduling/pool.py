"""Pools that report the end of each task, and which of their processes take none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

#: The callbacks of Celery's pools by which they report how a task ended.
_ENDS = ("callback", "error_callback", "timeout_callback")


def reporting_class(base: Any) -> Any:
    """A subclass of one of Celery's pools with `ReportMixin`, by the same name: Celery recognises pools by it."""
    if issubclass(base, ReportMixin):
        return base
    names = {"__module__": base.__module__, "__qualname__": base.__qualname__, "__doc__": base.__doc__}
    if hasattr(base, "Pool"):  # prefork
        names["Pool"] = type("AsynPool", (ProcessesMixin, base.Pool), {"__module__": base.Pool.__module__})
    return type(base.__name__, (ReportMixin, base), names)


class ReportMixin:
    """Mixed in before a pool of Celery."""

    num_processes: int

    #: Called after each end of a task, in whatever thread or greenlet the pool reports it.
    on_task_end: Callable[[], None] | None = None

    @property
    def absent(self) -> int:
        """Processes that take no task now: they have reached their limit or have just been started."""
        pool = getattr(self, "_pool", None)
        return max(self.num_processes - pool.available(), 0) if isinstance(pool, ProcessesMixin) else 0

    def end(self) -> list[str]:
        """Prepares the pool for the worker's end; returns the ids of the tasks that do not start any more."""
        pool = getattr(self, "_pool", None)
        return pool.end() if isinstance(pool, ProcessesMixin) else []

    def on_start(self) -> None:
        """Starts the pool."""
        super().on_start()  # type: ignore[misc]
        if isinstance(pool := getattr(self, "_pool", None), ProcessesMixin):
            pool.on_available = self._on_end

    def apply_async(self, *args: Any, **options: Any) -> Any:
        """Runs a task."""
        for name in _ENDS:
            if options.get(name):
                options[name] = self._reporting(options[name])
        return super().apply_async(*args, **options)  # type: ignore[misc]

    def _reporting(self, callback: Callable[..., Any]) -> Callable[..., Any]:
        def report(*args: Any, **options: Any) -> Any:
            try:
                return callback(*args, **options)
            finally:
                self._on_end()

        return report

    def _on_end(self) -> None:
        if self.on_task_end is not None:
            self.on_task_end()


class ProcessesMixin:
    """Mixed in before Celery's pool of processes.

    It gives no task to a process that ends for `--max-tasks-per-child`, where it would wait for the next process. And
    when the worker ends, it waits for the tasks that a process has: Celery forgets those whose start has not been
    reported, does not acknowledge them though they run, and then waits half a minute for the process.
    """

    _cache: dict[int, Any]
    _fileno_to_inq: dict[int, Any]
    _maxtasksperchild: int | None
    _on_ready_counters: dict[int, Any]

    #: Called when a process can take tasks.
    on_available: Callable[[], None] | None = None

    _ends = False

    def end(self) -> list[str]:
        """Prepares for `flush` at the worker's end; returns the ids of the tasks that no process has."""
        self._ends = True
        return [job.correlation_id for job in self._unreported() if job._write_to is None]

    def flush(self) -> None:
        """Forgets the tasks whose start has not been reported; at the worker's end, only those that no process has."""
        kept = [job for job in self._unreported() if job._write_to is not None] if self._ends else []
        for job in kept:
            job._accepted = True
        try:
            super().flush()  # type: ignore[misc]
        finally:
            for job in kept:
                job._accepted = False

    def _unreported(self) -> list[Any]:
        return [job for job in self._cache.values() if not job._accepted]

    def available(self) -> int:
        """How many processes take tasks."""
        return sum(not self._retires(process, 0) for process in self._fileno_to_inq.values())

    def on_job_ready(self, job: int, i: int, obj: Any, inqW_fd: int) -> None:
        """Has the process take another task, unless it was its last one."""
        process = self._fileno_to_inq.get(inqW_fd)
        if process is None or not self._retires(process, 1):  # the pool counts this one after this call
            super().on_job_ready(job, i, obj, inqW_fd)  # type: ignore[misc]

    def on_process_alive(self, pid: int) -> None:
        """A process has started."""
        super().on_process_alive(pid)  # type: ignore[misc]
        if self.on_available is not None:
            self.on_available()

    def _retires(self, process: Any, uncounted: int) -> bool:
        most, done = self._maxtasksperchild, self._on_ready_counters.get(process.pid)
        return most is not None and done is not None and done.value + uncounted >= most
