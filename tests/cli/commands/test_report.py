import json

from resmem_core.cli.main import main


def test_a_report_of_the_setting_chosen_on_validation(tmp_path, capsys):
    output = tmp_path / "report.html"
    assert main(["report", "--tune", "--output", str(output), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["tuned_on"] == "validation"
    page = output.read_text()
    assert f"{result['accuracy']['resmem']:.2%}" in page
    assert "were set by hand" not in page


def test_for_people_it_says_where_it_is(tmp_path, capsys):
    output = tmp_path / "report.html"
    assert main(["report", "--k=3", "--output", str(output)]) == 0
    assert str(output) in capsys.readouterr().out
    assert "were set by hand" in output.read_text()
