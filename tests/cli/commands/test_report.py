def test_a_report_of_the_setting_chosen_on_validation(tmp_path, printed):
    output = tmp_path / "report.html"
    result = printed("report", "--tune", "--output", str(output))
    assert result["tuned_on"] == "validation"
    page = output.read_text()
    assert f"{result['accuracy']['resmem']:.2%}" in page
    assert "were set by hand" not in page


def test_for_people_it_says_where_it_is(tmp_path, told):
    output = tmp_path / "report.html"
    assert str(output) in told("report", "--k=3", "--output", str(output))
    assert "were set by hand" in output.read_text()
