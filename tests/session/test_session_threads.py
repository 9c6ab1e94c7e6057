"""A session used from several threads, as in a window."""

from __future__ import annotations

import gc
import threading
import time
import weakref

import numpy as np

from anymask.session import Event, Session, SessionError, Thresholds


def test_painting_works_while_a_model_runs(session, small_reference_sam, paint):
    first, second, third = session.layers
    session.runs.set_options(points_per_side=6, thresholds=Thresholds(0.1, 0.4, 0.7))
    waits = []
    done = threading.Event()

    def run() -> None:
        session.runs.segment(small_reference_sam, [first, second])
        done.set()

    worker = threading.Thread(target=run)
    worker.start()
    strokes = 0
    while not done.is_set() or strokes < 5:
        start = time.monotonic()
        paint(
            session, third, strokes % 200 + 1, slice(strokes % 80, strokes % 80 + 4), slice(0, 60)
        )
        waits.append(time.monotonic() - start)
        strokes += 1
        time.sleep(0.01)
    worker.join()
    assert np.median(waits) < 0.25
    assert session.layers.state(first) == session.layers.state(second) == "segmented"
    assert len(session.edits.steps(third)) == strokes
    expected = np.array(session.layers.labels(third))
    with Session.open(session.folder, read_only=True) as other:
        np.testing.assert_array_equal(other.layers.labels(third), expected)
        np.testing.assert_array_equal(other.layers.labels(first), session.layers.labels(first))


def test_strokes_of_two_threads_are_all_recorded(session, paint):
    first, second, _ = session.layers

    def work(layer) -> None:
        for label in range(1, 41):
            paint(session, layer, label, slice(label, label + 5), slice(0, 50))

    threads = [threading.Thread(target=work, args=(layer,)) for layer in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal(session.layers.labels(first), session.layers.labels(second))
    with Session.open(session.folder, read_only=True) as other:
        assert [len(other.edits.steps(key)) for key in (first, second)] == [40, 40]
        np.testing.assert_array_equal(other.layers.labels(first), session.layers.labels(first))


def test_a_listener_may_wait_for_a_thread_that_uses_the_session(session, layer, paint):
    seen: list[Event] = []

    def listen(event: Event) -> None:
        other = threading.Thread(target=lambda: session.layers.objects(layer))
        other.start()
        other.join(timeout=5)
        assert not other.is_alive()
        seen.append(event)

    stop = session.subscribe(listen)
    paint(session, layer, 1, slice(0, 9), slice(0, 9))
    session.edits.classify(layer, [1], "leaf")
    session.edits.undo(layer)
    stop()
    assert [event.kind for event in seen] == ["labels", "classes", "objects", "labels"]


def test_snapshots_are_written_in_the_background_while_painting(session, layer, paint):
    for stroke in range(60):
        paint(session, layer, stroke + 1, slice(stroke, stroke + 9), slice(0, 50))
    for _ in range(100):
        if list((session.folder / "labels").glob("*.npz")):
            break
        time.sleep(0.1)
    else:
        raise AssertionError("no snapshot was written")


def test_a_closed_session_says_so(session, layer, paint):
    session.close()
    session.close()
    try:
        paint(session, layer, 1, slice(0, 9), slice(0, 9))
    except SessionError as error:
        assert "closed" in str(error)
    else:
        raise AssertionError("a closed session took an edit")


def test_a_closed_session_frees_its_images_without_a_garbage_collection(session, paint):
    first = session.layers[0]
    paint(session, first, 1, slice(10, 30), slice(10, 30))
    session.close()
    again = Session.open(session.folder)
    again.layers.automatic(first)
    pixels = weakref.ref(again.images.rgb(first))
    gc.collect()
    gc.disable()
    try:
        again.close()
        del again
        assert pixels() is None
    finally:
        gc.enable()
