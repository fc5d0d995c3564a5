"""What can be taken away, and that nothing is made before it is asked for."""

from resmem_core.plots import report, tables


def labels(at):
    return [button.label for button in at.get("download_button")]


def test_report_tables_and_figure_are_offered_and_nothing_is_made_until_it_is_asked_for(opened, monkeypatch):
    monkeypatch.setattr(report, "report_html", None)
    monkeypatch.setattr(tables, "table_bytes", None)
    at = opened("export")
    assert labels(at) == ["Report (HTML)", *["CSV", "Parquet"] * 4, "HTML"]
    assert "640 rows" in at.text
    assert "3,927 rows" in at.text
    assert "--tune" in at.code[1].value


def test_a_setting_by_hand_is_called_by_its_name(opened):
    at = opened("export", k="3")
    assert "not those chosen on validation" in at.text
    assert "--k=3" in at.code[1].value
    assert "not those chosen" not in opened("export").text


def test_the_figure_is_the_one_in_the_address_if_there_is_one(opened):
    at = opened("export", figure="nothing")
    picker = at.selectbox(key="setting-figure")
    assert picker.value == "accuracy"
    assert "Grid on validation" in picker.options
    picker.set_value("reliability").run()
    assert at.address("figure") == "reliability"
    assert opened("export", figure="reliability").selectbox(key="setting-figure").value == "reliability"
