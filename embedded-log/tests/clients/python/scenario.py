"""What a program does with the official Python client, against the server of the first argument.

The last step is against that of the second argument, which takes TLS and a password.
"""

import json
import re
import sys
from uuid import UUID

from kurrentdbclient import CaughtUp, Checkpoint, KurrentDBClient, NewEvent, StreamState
from kurrentdbclient.exceptions import (
    NotFoundError,
    StreamIsDeletedError,
    UnauthenticatedError,
    WrongCurrentVersionError,
)

client = KurrentDBClient(sys.argv[1])
STREAM = "größe-1"


def numbered(start, end):
    """JSON events with the numbers of a range."""
    return [
        NewEvent(type="Numbered.v1", data=json.dumps({"number": number}).encode(), metadata=b"{}")
        for number in range(start, end)
    ]


def numbers(events):
    """The numbers that are in events."""
    return [json.loads(event.data)["number"] for event in events]


def refused(error, action):
    """The error that an action must end with."""
    try:
        action()
    except error as refusal:
        return refusal
    raise AssertionError(f"it ended without {error.__name__}")


def append(stream, events, version):
    """The position after an append."""
    return client.append_to_stream(stream, events=events, current_version=version)


def appending():
    """New, exact and wrong; one event goes by Append, several by BatchAppend."""
    first = append(STREAM, numbered(0, 3), StreamState.NO_STREAM)
    second = append(STREAM, numbered(3, 4), 2)
    third = append(STREAM, numbered(4, 5), 3)
    assert 0 < first < second < third
    for version in [StreamState.NO_STREAM, 2, 9]:
        for count in [1, 2]:
            late = numbered(9, 9 + count)
            refusal = refused(
                WrongCurrentVersionError, lambda: append(STREAM, late, version)
            )
            assert refusal.actual_version == 4, refusal.actual_version
            assert refusal.expected_version == version, refusal.expected_version
    once = NewEvent(
        type="Once.v1", data=b"{}", id=UUID("8b9a3b3e-6a38-4a0c-9f6a-5d0f8d6f2a11")
    )
    places = {append("once", [once], StreamState.NO_STREAM) for _ in range(2)}
    assert len(places) == 1, places


def reading():
    """Both ways, from the middle, a missing stream, and all."""
    assert numbers(client.get_stream(STREAM)) == [0, 1, 2, 3, 4]
    assert numbers(client.get_stream(STREAM, backwards=True, limit=2)) == [4, 3]
    assert numbers(client.get_stream(STREAM, stream_position=3)) == [3, 4]
    refused(NotFoundError, lambda: client.get_stream("missing"))
    types = [event.type for event in client.read_all()]
    assert types == ["Numbered.v1"] * 5 + ["Once.v1"], types


def subscribing():
    """The client's own filter excludes by a look-ahead, this one includes by prefix."""
    with client.subscribe_to_all(
        filter_include=["größe-"],
        filter_by_stream_name=True,
        filter_by_prefix=True,
        include_checkpoints=True,
        include_caught_up=True,
        timeout=20,
    ) as subscription:
        found = []
        for event in subscription:
            if isinstance(event, Checkpoint):
                continue
            if isinstance(event, CaughtUp):
                found.append("caught up")
                append("größe-2", numbered(5, 6), StreamState.ANY)
                continue
            found += numbers([event])
            if found[-1] == 5:
                break
        assert found == [0, 1, 2, 3, 4, "caught up", 5], found
    with client.subscribe_to_all(include_caught_up=True, timeout=20) as subscription:
        count = 0
        while not isinstance(next(subscription), CaughtUp):
            count += 1
        assert count == 7, count


def describing():
    """Metadata comes back whole and hides what it should."""
    metadata = {"$maxCount": 2, "$acl": {"$r": ["readers"]}, "owner": "us"}
    client.set_stream_metadata(STREAM, metadata=metadata)
    assert client.get_stream_metadata(STREAM) == (metadata, 0)
    assert numbers(client.get_stream(STREAM)) == [3, 4]


def ending():
    """Deleted, back again, and gone for ever."""
    refused(
        WrongCurrentVersionError,
        lambda: client.delete_stream(STREAM, current_version=0),
    )
    client.delete_stream(STREAM, current_version=4)
    refused(NotFoundError, lambda: client.get_stream(STREAM))
    append(STREAM, numbered(5, 6), StreamState.NO_STREAM)
    assert numbers(client.get_stream(STREAM)) == [5]
    client.tombstone_stream(STREAM, current_version=StreamState.ANY)
    refused(StreamIsDeletedError, lambda: client.get_stream(STREAM))
    for count in [1, 2]:
        late = numbered(6, 6 + count)
        refused(StreamIsDeletedError, lambda: append(STREAM, late, StreamState.ANY))


def proving():
    """Who knows the password may do everything, and nobody else anything."""
    guarded = sys.argv[2]
    known = KurrentDBClient(guarded)
    known.append_to_stream("guarded", events=numbered(0, 2), current_version=StreamState.NO_STREAM)
    assert numbers(known.get_stream("guarded")) == [0, 1]
    known.close()
    for credentials, error in [
        ("bob:not-secret@", UnauthenticatedError),
        ("ann:wrong@", UnauthenticatedError),
    ]:
        stranger = KurrentDBClient(re.sub("ann:.*@", credentials, guarded))
        for count in [1, 2]:
            late = numbered(2, 2 + count)
            refused(
                error,
                lambda: stranger.append_to_stream(
                    "guarded", events=late, current_version=StreamState.ANY
                ),
            )
        refused(error, lambda: stranger.get_stream("guarded"))
        stranger.close()


for step in [appending, reading, subscribing, describing, ending, proving]:
    step()
    print(step.__name__)
client.close()
