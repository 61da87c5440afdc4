"""The Korean pages say what the English ones say: section by section the same commands, code, numbers, links and tables."""

import re
from collections import Counter

import pytest
from processes import ROOT

PAGES = [("README.md", "README.ko.md"), ("docs/learn.md", "docs/learn.ko.md")]
WORDS = {
    "그룹=선택": "GROUP=CHOICE",
    "키=값": "KEY=VALUE",
    "데이터-모델": "DATA-MODEL",
    "시각-프로세스": "TIME-PROCESS",
    "실행 디렉터리": "its run directory",
}
"""What stands in code and is translated there."""

KOREAN_ALONE = {"data.target=합격"}
"""Code that only a Korean reader needs."""

FENCED = re.compile(r"```\w+\n.*?```", re.DOTALL)
SPAN = r"`([^`]+)`"
LINK = r"\]\(([^)]+)\)"
NUMBER = r"(?<![A-Za-z0-9_.,-])\d[\d.,]*\d"


def sections(name):
    """Return the parts of a page that begin with a heading, without its blocks of code."""
    return re.split(r"^#+ ", FENCED.sub("", (ROOT / name).read_text(encoding="utf-8")), flags=re.MULTILINE)


def links(name):
    """Return the links of each section; one to a section of the page is its number, one to a translated page the original's."""
    parts = sections(name)
    titles = [re.sub(r"[^\w\- ]", "", part.partition("\n")[0].lower()).replace(" ", "-") for part in parts]

    def led(link):
        return str(titles.index(link[1:])) if link.startswith("#") else link.replace(".ko.md", ".md")

    return [Counter(map(led, re.findall(LINK, part))) for part in parts]


@pytest.mark.parametrize(("english", "korean"), PAGES)
def test_both_languages_have_the_same_commands_with_the_same_output(english, korean):
    blocks = [FENCED.findall((ROOT / name).read_text(encoding="utf-8")) for name in (english, korean)]
    assert blocks[0] == blocks[1] and blocks[0]


@pytest.mark.parametrize(("english", "korean"), PAGES)
def test_both_languages_have_the_same_sections_code_numbers_and_tables(english, korean):
    for one, other in zip(sections(english), sections(korean), strict=True):
        title = f"{one.splitlines()[0]} / {other.splitlines()[0]}" if one else ""
        code = []
        for span in re.findall(SPAN, other):
            for word, original in WORDS.items():
                span = span.replace(word, original)
            code += [span] if span not in KOREAN_ALONE else []
        assert Counter(code) == Counter(re.findall(SPAN, one)), title
        prose = [re.sub(f"{SPAN}|{LINK}", "", text) for text in (one, other)]
        assert set(re.findall(NUMBER, prose[0])) <= set(re.findall(NUMBER, prose[1])), title
        for line in (r"^\|", r"^- ", r"^!\["):
            assert len(re.findall(line, one, re.MULTILINE)) == len(re.findall(line, other, re.MULTILINE)), title


@pytest.mark.parametrize(("english", "korean"), PAGES)
def test_both_languages_link_to_the_same_places(english, korean):
    assert links(english) == links(korean)


@pytest.mark.parametrize("name", [korean for _, korean in PAGES])
def test_the_korean_terms_are_the_same_everywhere(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    assert [word for word in ("에폭", "결정선", "로스 ", "크로스 엔트로피", "러닝 레이트") if word in text] == []
