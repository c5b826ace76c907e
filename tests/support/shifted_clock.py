"""A wall clock of one process that is wrong by any time, from its start or from a moment on.

A library of twenty lines, compiled by the machine's C compiler and loaded before
all others, adds seconds to what the system says; the seconds stand in a file, so
that a test can change them while the process runs. Clocks that never step
(monotonic, boot time) stay as they are, as with a real clock that is set.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from pathlib import Path

_SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>

static volatile long long none, *shift = &none;

__attribute__((constructor)) static void begin(void) {
    int file = open(getenv("SHIFTED_CLOCK"), O_RDONLY);
    void *found = file < 0 ? MAP_FAILED : mmap(0, 8, PROT_READ, MAP_SHARED, file, 0);
    if (found == MAP_FAILED) abort();
    shift = found;
}

int clock_gettime(clockid_t id, struct timespec *at) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(id, at);
    if (!failed && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) at->tv_sec += *shift;
    return failed;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
    struct timespec now;
    int failed = clock_gettime(CLOCK_REALTIME, &now);
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return failed;
}

time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}
"""


def missing() -> str:
    """Say what a shifted clock needs and is not here; "" = nothing."""
    return (
        "" if shutil.which("cc") and os.uname().sysname == "Linux" else "a C compiler (cc) on Linux"
    )


class ShiftedClock:
    """The clock of the processes that are started with `environment`."""

    def __init__(self, folder: Path, seconds: int = 0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / "shift"
        self.set(seconds)
        source, library = folder / "clock.c", folder / "clock.so"
        source.write_text(_SOURCE)
        subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
        self.environment = {"LD_PRELOAD": str(library), "SHIFTED_CLOCK": str(self._file)}

    def set(self, seconds: int) -> None:
        """Let the clock be so many seconds ahead of true time from now on; negative = behind."""
        with self._file.open("r+b" if self._file.exists() else "wb") as file:
            file.write(struct.pack("=q", seconds))
