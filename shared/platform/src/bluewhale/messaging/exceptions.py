"""Operating errors of the log.

    BluewhaleError (bluewhale.capture.exceptions)
    |- TemporaryError
    |  |- LogUnavailableError      brokers away, slow, or between two leaders
    |  |  `- LogUserError          brokers do not know our user or its password: yet, or no more
    |  `- CommitRefusedError       the group gave the partition to another member
    `- PermanentError
       `- LogError
          |- TopicShapeError       a topic is missing or has another count of partitions
          |- MessageTooLargeError  more bytes than a message may have
          |- EnvelopeCorruptError  bytes that are no envelope
          `- EnvelopeVersionError  an envelope written by a newer release

Does not own bad data inside a message: that is a row of suspense.
"""

from __future__ import annotations

from typing import ClassVar

from bluewhale.capture.exceptions import PermanentError, TemporaryError


class LogUnavailableError(TemporaryError):
    """The log does not answer now; the same call may succeed later."""

    code: ClassVar[str] = "log_unavailable"


class LogUserError(LogUnavailableError):
    """Brokers refuse our user or password; a mounted password may come later than theirs."""

    code: ClassVar[str] = "log_user_refused"


class CommitRefusedError(TemporaryError):
    """The partition belongs to another member of the group now: drop its work and poll."""

    code: ClassVar[str] = "commit_refused"


class LogError(PermanentError):
    """Something about the log that repeating does not mend."""

    code: ClassVar[str] = "log_error"


class TopicShapeError(LogError):
    """A topic is missing, or has another count of partitions than this installation."""

    code: ClassVar[str] = "topic_shape"


class ConsumerStalledError(LogError):
    """Messages are there and none is delivered: the process must start again."""

    code: ClassVar[str] = "consumer_stalled"


class MessageTooLargeError(LogError):
    """A message has more bytes than the log takes."""

    code: ClassVar[str] = "message_too_large"


class EnvelopeCorruptError(LogError):
    """Bytes that should be an envelope are none."""

    code: ClassVar[str] = "envelope_corrupt"


class EnvelopeVersionError(LogError):
    """An envelope of a version that this release does not know."""

    code: ClassVar[str] = "envelope_version"
