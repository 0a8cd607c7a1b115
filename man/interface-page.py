#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes the manual page of the D-Bus interface from its XML, at build time.

Arguments: the page, in which the interfaces stand in place of the line @INTERFACES@, and the XML. What a comment of the
XML says is about the element behind it."""

import re
import sys
import textwrap
import xml.etree.ElementTree as tree

SPECIAL = re.compile(r"([\\*_`#<>~])")
KINDS = {"method": "METHODS", "signal": "SIGNALS", "property": "PROPERTIES"}


def escaped(text):
    return SPECIAL.sub(r"\\\1", text)


ITEM = re.compile(r"(\w+): +(.*)|\s*(\S+) {2,}(?:(\w) {2,})?(\S.*)")
OPTION = re.compile(r"\w+ \(\w+\)(, \w+ \(\w+\))*:")


def item(match):
    """A line that begins an item of a list: "name:  meaning", or "name  meaning", maybe with a type between them."""
    name, meaning, column, kind, text = match.groups()
    return ["", f"*{escaped(name or column)}*" + (f" ({kind})" if kind else ""), f"\t{escaped(meaning or text)}"]


def body(text):
    """A comment as paragraphs, lists, and what is to stay as it is: code."""
    lines, kind = [], None

    def turn(new):
        nonlocal kind
        if kind == "code" != new:
            lines.append("```")
        if new != kind:
            lines.append("")
        if new == "code" != kind:
            lines.append("```")
        kind = new

    for line in dedented(text):
        if not line:
            turn(None)
        elif match := ITEM.fullmatch(line):
            turn("list")
            lines += item(match)
        elif line.startswith(" ") and kind == "list":
            # Behind a break, scdoc takes a tab for text.
            breaks = OPTION.match(line.strip())
            lines[-1] += "++" if breaks else ""
            lines.append(("" if breaks else "\t") + escaped(line.strip()))
        elif line.startswith("  "):
            turn("code")
            lines.append(line)
        else:
            turn("prose")
            lines.append(escaped(line))
    turn(None)
    return [*lines, ""]


def dedented(text):
    """The lines of a comment, which may begin right behind its mark."""
    first, *rest = text.strip("\n").rstrip().splitlines()
    if not rest:
        return [first.strip()]
    return textwrap.dedent("\n".join([first if first.startswith("  ") else "", *rest])).strip("\n").splitlines()


def arguments(member, direction):
    found = [a for a in member.findall("arg") if a.get("direction", "out") == direction]
    return ", ".join(f"{a.get('type')} {a.get('name')}" for a in found)


def heading(member):
    name = f"*{escaped(member.get('name'))}*"
    if member.tag == "property":
        return f"{name} ({member.get('type')}, {member.get('access')})"
    if member.tag == "signal":
        return f"{name}({escaped(arguments(member, 'out'))})"
    results = arguments(member, "out")
    return f"{name}({escaped(arguments(member, 'in'))})" + (f" → {escaped(results)}" if results else "")


def commented(element):
    """The elements within one, each with the comment before it."""
    comment = None
    for child in element:
        if child.tag is tree.Comment:
            comment = child.text
            continue
        yield child, comment
        comment = None


def interface(element, comment):
    lines = ["# " + escaped(element.get('name')), ""]
    lines += body(comment) if comment else []
    members = list(commented(element))
    for kind, title in KINDS.items():
        rows = [(member, text) for member, text in members if member.tag == kind]
        if not rows:
            continue
        lines += [f"## {title}", ""]
        for member, text in rows:
            lines += [heading(member), ""]
            lines += body(text) if text else []
    return lines


def main():
    page, xml = sys.argv[1:]
    parser = tree.XMLParser(target=tree.TreeBuilder(insert_comments=True))
    with open(xml, encoding="utf-8") as file:
        text = file.read()
    # What stands before the root is about all of it.
    about = re.search(r"<!--((?:(?!-->).)*)-->\s*<node", text, re.DOTALL)
    root = tree.fromstring(text, parser=parser)
    out = ["# RULES OF THE INTERFACE", "", *body(about[1])]
    for element, comment in commented(root):
        out += interface(element, comment)
    with open(page, encoding="utf-8") as file:
        sys.stdout.write(file.read().replace("@INTERFACES@\n", "\n".join(out) + "\n"))


main()
