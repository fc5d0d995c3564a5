"""Backbones by name: what a spec names, and whether it goes with the data."""

import pytest

from resmem_core.common.errors import InvalidParameterError
from resmem_core.data.base import FEATURES, IMAGE, TEXT
from resmem_core.models import BACKBONES, Backbone, Estimator, backbone_of, network_of


@pytest.mark.parametrize(
    ("spec", "kind", "expected"),
    [
        ("linear", IMAGE, ("linear", None)),
        ("gru-small", TEXT, ("gru-small", None)),
        ("hf:C:/models/tiny", TEXT, ("hf", "C:/models/tiny")),
        ("hf:C:/models/tiny", IMAGE, ("hf", "C:/models/tiny")),
        ("module:my.pt?size=8", IMAGE, ("module", "my.pt?size=8")),
    ],
)
def test_a_spec_names_a_backbone_and_its_argument(spec, kind, expected):
    backbone, argument = backbone_of(spec, kind)
    assert (backbone.name, argument) == expected


@pytest.mark.parametrize(
    ("spec", "kind", "message"),
    [
        ("gru", TEXT, r"unknown backbone 'gru'; choose one of: .*gru-small, hf, linear, .*"),
        ("gru-small:2", TEXT, "backbone 'gru-small:2': gru-small takes nothing after a colon; write 'gru-small'"),
        ("hf", TEXT, "backbone 'hf': hf needs NAME_OR_PATH; write 'hf:NAME_OR_PATH'"),
        ("hf:", TEXT, "backbone 'hf:': hf needs NAME_OR_PATH; write 'hf:NAME_OR_PATH'"),
        (
            "linear",
            TEXT,
            "backbone 'linear' goes with data of kind image or features, but the dataset is of kind text; choose "
            "another dataset, or one of: gru-small, hf, transformer-small",
        ),
        (
            "gru-small",
            IMAGE,
            "backbone 'gru-small' goes with data of kind text, but the dataset is of kind image; choose another "
            "dataset, or one of: estimator, hf, linear, .*small-cnn, timm, torchvision",
        ),
    ],
)
def test_a_wrong_spec_is_refused(spec, kind, message):
    with pytest.raises(InvalidParameterError, match=f"^{message}$"):
        backbone_of(spec, kind)


def test_a_name_may_stand_for_another_model_where_the_data_are_of_another_kind():
    assert isinstance(backbone_of("linear", IMAGE)[0], Backbone)
    assert isinstance(backbone_of("linear", FEATURES)[0], Estimator)
    with pytest.raises(InvalidParameterError, match="'linear' is no network"):
        network_of("linear", FEATURES)


def test_a_name_is_taken_once_whatever_the_kind():
    with pytest.raises(ValueError, match="backbone 'gru-small' is registered twice"):
        BACKBONES.register("gru-small", BACKBONES.get("linear"))


def test_the_stamp_of_a_model_changes_with_its_files(tmp_path):
    model, _ = backbone_of("hf:a", TEXT)
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "1_Pooling").mkdir()
    stamps = [model.stamp(str(tmp_path)), model.stamp(f"{tmp_path}?pool=mean")]
    (tmp_path / "1_Pooling" / "config.json").write_text("{}")
    stamps.append(model.stamp(str(tmp_path)))
    (tmp_path / "config.json").write_text("{ }")
    stamps += [model.stamp(str(tmp_path)), model.stamp(str(tmp_path / "config.json"))]
    assert stamps[0] == stamps[1]
    assert len(set(stamps)) == 4
    assert [model.stamp(name) for name in ("google/vit", "a" * 5000, None)] == [""] * 3
