"""Text is doubted for what its characters are, never for its language."""

import pytest

from extractors.split.trust import is_doubtful_ocr, is_garbled, is_useless, unknown_share
from schemas.step_data import Word


def words(text: str) -> list[Word]:
    return [Word(token, 0, 0, 1, 1) for token in text.split()]


@pytest.mark.parametrize(
    "text",
    [
        "Invoice 2026-117, total 1,204.50 EUR",
        "Größe: 10 m², Ökosteuer 19 %",
        "請求書 番号 2026-117 合計 12,000円",
        "חשבונית מס 117 סך הכל 1,204.50",
        "Счёт № 117 на сумму 1 204,50",
        "\uf0b7 first \uf0b7 second \uf0b7 third",
        "",
    ],
)
def test_text_of_any_language_is_trusted(text):
    assert not is_garbled(unknown_share(text))


def test_glyphs_without_a_character_are_counted():
    share = unknown_share("\ufffd\x0b\x0c\ue123" * 10 + "a" * 40)
    assert share == pytest.approx(0.5)
    assert is_garbled(share)
    assert is_useless(share)


def test_a_few_icons_do_no_harm():
    assert unknown_share("\ue001 Home \ue002 Mail \ue003 Phone") == 0


@pytest.mark.parametrize(
    ("text", "doubtful"),
    [
        ("The total of this invoice is 1,204.50 EUR (net).", False),
        ("Wirkarbeit HT 10000 KWH 19 % 52,00", False),
        ("請求書 番号 合計 12,000", False),
        ("«POAH «3E*»CM tanntxim. / ^ . ^ n»Bfl. ts£rootj s@ifii~ n|u;t", True),
    ],
)
def test_ocr_is_doubted_when_it_hardly_reads(text, doubtful):
    assert is_doubtful_ocr(words(text)) is doubtful
