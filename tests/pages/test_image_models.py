"""Models of images that a person names: in the address, as typed in the sidebar."""

import pytest

from tests.models.families.published import Embeds, script, wide


def test_a_module_is_offered_to_be_prepared(opened, tmp_path):
    backbone = f"module:{script(tmp_path / 'm.pt', wide(Embeds()))}?mean=0,0,0"
    at = opened("overview", backbone=backbone)
    assert not at.error
    assert at.labelled("selectbox", "Backbone").value == backbone
    assert "is not prepared yet" in at.text


@pytest.mark.parametrize(
    ("backbone", "says"),
    [
        ("module:no/such.pt", "there is no file 'no/such.pt'; write it with torch.jit.trace"),
        ("module:no/such.pt?colour=red", "'colour' is not possible after the question mark"),
        ("torchvision:resnet", "torchvision has no classifier 'resnet' with weights"),
    ],
)
def test_what_is_not_there_is_told(opened, backbone, says):
    at = opened("overview", backbone=backbone)
    assert not at.exception
    assert says in at.text.replace("\\", "")
