from hypothesis import given
from hypothesis import strategies as st

from resmem_core.data.wikitext import articles

TEXT = " \n = One = \n \n First . \n \n = = Section = = \n \n = x = \n More . \n \n = Two ( 2 ) = \n \n Second . \n"


def test_each_article_is_a_document_named_after_it():
    found = articles(TEXT, "file")
    assert [document.name for document in found] == ["One", "Two ( 2 )"]
    assert "= = Section = =" in found[0].text
    assert "= x =" in found[0].text  # no blank lines around it
    assert found[1].text == " = Two ( 2 ) = \n \n Second . \n"


def test_what_stands_before_the_first_title_has_the_files_name_and_sections_are_no_articles():
    assert [document.name for document in articles("Preface\n\n= One =\n\nText\n", "file")] == ["file", "One"]
    (document,) = articles("\n= = A = =\n\ntext\n\n== B ==\n\n= C\n\nD =\n\n=E=\n\n", "file")
    assert document.name == "file"


@given(st.text(alphabet="= a\n\r\x0b", max_size=60))
def test_no_text_is_lost(text):
    found = articles(text, "file")
    assert "".join(document.text for document in found).strip() == text.strip()
    assert all(document.text.strip() for document in found)
