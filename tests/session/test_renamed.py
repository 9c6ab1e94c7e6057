"""Scripts for 0.1.0 still run, and each old name warns and names the new one."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest

import anymask.session
from anymask.session import ClickPrompts, LayerKey, RunProgress, RunResult, Session
from anymask.session.renamed import _CHANGED, _MOVED

# All public names of `Session` in 0.1.0.
OF_0_1_0 = (
    "add_images add_recipe all_layers binarise bug_report can_redo can_undo checkpoint chosen "
    "class_names classes clean close commit commit_many count_at create edited_layers erase "
    "existing_files has_candidates has_scores image images import_labels info interpolate "
    "is_missing keep labels layer_state layers_with_masks load log log_lines masks matching "
    "merge model name next_id next_unreviewed objects open options order_images picture_hash "
    "place plane_labels preview_semantic preview_thresholds propagate recipes record_pixels "
    "redo refresh release relocate remember remove_images remove_recipe rename_class "
    "review_queue rgb rgb_part run_facts save save_binary search_in segment set_class "
    "set_classes set_options set_reviewed set_semantic_threshold set_thresholds split state "
    "steps subscribe threshold_limits thresholds thumbnail title ui undo use_model "
)


def test_every_public_name_of_0_1_0_still_exists(session):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        for name in OF_0_1_0.split():
            getattr(session, name)
    with pytest.raises(AttributeError, match="no_such"):
        session.no_such  # noqa: B018


def test_an_old_name_warns_at_the_caller_and_names_the_new_one(session):
    new_names = {name: f"session.{new}" for name, new in _MOVED.items()}
    new_names |= {name: new for name, (new, _) in _CHANGED.items()}
    for name, new in new_names.items():
        message = rf"^session\.{name} is deprecated .* use {re.escape(new)}\.$"
        with pytest.warns(DeprecationWarning, match=message) as seen:
            getattr(session, name)
        assert seen[0].filename == __file__


@pytest.mark.filterwarnings("ignore:.*is deprecated since anymask 0.2:DeprecationWarning")
def test_a_script_for_0_1_0_gives_the_same_results(tmp_path, pictures, shipped):
    from anymask.session import Clicker, Prompts

    with Session.create(tmp_path / "cells") as session:
        added = session.add_images(pictures)
        assert [session.image(i).name for i in added.ids] == [r.name for r in session.images]
        layer = session.all_layers()[0]
        assert layer == LayerKey(session.images[0].id, session.recipes("i1")[0].name)
        assert session.state("i1") == session.state(layer) == "new"
        clicker = Clicker(shipped, session)
        clicker.select(clicker.prepare(layer))
        preview = clicker.predict(Prompts().with_point(36, 30))
        assert clicker.cycle(preview).chosen != preview.chosen
        session.commit(preview, class_name="leaf")
        session.commit_many(clicker.predict_boxes([(70, 40, 112, 82)]))
        np.testing.assert_array_equal(session.plane_labels(layer) == 1, preview.shown)
        copy = np.array(session.labels(layer))
        copy[0, :9] = 3
        session.record_pixels(layer, copy)
        session.keep(layer, "area > 20")
        assert session.objects(layer).ids.tolist() == [1, 2]
        session.undo(layer)
        session.import_labels(layer, copy, replace=True)
        assert [c.name for c in session.classes] == ["leaf"]
        assert session.options.points_per_side == 32
        assert "Options" in session.bug_report()
        assert len(session.save(tmp_path / "out", ["labels", "csv"]).files) == 2


def test_renamed_classes_also_warn():
    for old, new in (("Progress", RunProgress), ("Prompts", ClickPrompts), ("Run", RunResult)):
        with pytest.warns(DeprecationWarning, match=f"use anymask.session.{new.__name__}"):
            assert getattr(anymask.session, old) is new
