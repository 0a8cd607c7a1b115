#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Manual pages, the configuration file that is installed and the journal's catalog say what the source says.

Arguments: the directory of the source, and that of the build."""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

from tap import Skip, Tap

source, build = map(pathlib.Path, sys.argv[1:])


def read(*parts, base=source):
    return base.joinpath(*parts).read_text(encoding="utf-8")


def settings():
    """Section and key of each setting that there is."""
    rows = re.findall(r"^SETTING\((\w+), (\w+),", read("daemon", "settings.def"), re.MULTILINE)
    if len(rows) < 10:
        raise AssertionError(f"only {rows}")
    return rows


def page(name):
    """The text of a manual page, without what typesets it."""
    if not shutil.which("scdoc"):
        raise Skip("needs scdoc")
    return re.sub(r"\\f.|\\&|^\.SS? |\"", "", read("man", name, base=build), flags=re.MULTILINE).replace("\\-", "-")


def values():
    """What the installed file says of each setting."""
    found, section = {}, None
    for line in read("systemd", "bpfmond.conf", base=build).splitlines():
        if heading := re.fullmatch(r"\[(\w+)\]", line):
            section = heading[1]
        elif setting := re.fullmatch(r"#(\w+)=(.*)", line):
            found[section, setting[1]] = setting[2]
        elif line and not line.startswith("# "):
            raise AssertionError(f"the line {line!r} sets something")
    return found


def test_conf():
    """The installed bpfmond.conf has every setting with its default, and sets nothing"""
    if set(values()) != set(settings()):
        raise AssertionError(f"{set(values()) ^ set(settings())}")


def test_settings_page():
    """bpfmond.conf(5) has every setting under its section, with its default"""
    text = page("bpfmond.conf.5")
    at = 0
    for (section, key), value in values().items():
        heading = text.index(f"[{section}]", text.index("SETTINGS\n"))
        at = text.index(f"{key}=\n", max(at, heading))
        told = re.search(r"Default: (\S+)\.(\s|$)", text[at:])
        if told[1] != (value or "none"):
            raise AssertionError(f"{key}: the page says {told[1]}, the file {value}")


def test_options_page():
    """bpfmond(8) has every option that bpfmond --help has"""
    told = subprocess.run([build / "daemon/bpfmond", "--help"], check=True, capture_output=True, encoding="utf-8")
    options = set(re.findall(r"--[a-z-]+(?:=\w+:)?", told.stdout))
    text = page("bpfmond.8")
    missing = [option for option in options if option not in text]
    if missing or len(options) < 7:
        raise AssertionError(f"not in the page: {missing} of {options}")


def test_event_page():
    """bpfmon-event(7) has every kind of event, and every field with its type"""
    text = page("bpfmon-event.7")
    described = text[text.index("EVENTS\n"):text.index("FIELDS\n")]
    kinds = set(re.findall(r'"([a-z-]+)"', re.search(r"events\[\] = {(.*?)};", read("common", "field-values.c"), re.DOTALL)[1]))
    told = {kind for line in re.findall(r"^[a-z-]+(?:, [a-z-]+)*$", described, re.MULTILINE) for kind in line.split(", ")}
    fields = re.findall(r'^FIELD\(\w+, "([^"]+)"', read("common", "fields.def"), re.MULTILINE)
    missing = [field for field in fields if not re.search(rf"^{re.escape(field)} \([a-z{{}}]+\)$", text, re.MULTILINE)]
    if kinds ^ told or missing or len(kinds) < 30 or len(fields) < 100:
        raise AssertionError(f"kinds {kinds ^ told}, fields {missing}")


def test_interface_page():
    """org.bpfmon1(5) has every member of the interface, and what is said of it"""
    text = page("org.bpfmon1.5")
    root = xml.etree.ElementTree.parse(source / "dbus/org.bpfmon1.xml")
    members = [(element.tag, element.get("name")) for element in root.iter() if element.tag in ("method", "signal", "property")]
    missing = [name for tag, name in members if not re.search(rf"^{name}{' ' if tag == 'property' else ''}\(", text, re.MULTILINE)]
    if missing or len(members) < 20 or "The caller needs them no more." not in text:
        raise AssertionError(f"{missing}")


def test_notify_page():
    """bpfmon-notify(1) has every option that bpfmon-notify --help has, and no other"""
    told = subprocess.run([build / "notify/bpfmon-notify", "--help"], check=True, capture_output=True, encoding="utf-8")
    options, text = set(re.findall(r"--[a-z-]+", told.stdout)), page("bpfmon-notify.1")
    here = set(re.findall(r"^-?-?\w?,? ?(--[a-z-]+)", text, re.MULTILINE)) | set(re.findall(r", (--[a-z-]+)=", text))
    if options != here or len(options) < 7:
        raise AssertionError(f"{options ^ here} of {options}")


def test_desktop_files():
    """Desktop files are valid, and the autostart file leaves sessions of systemd to the unit"""
    if not shutil.which("desktop-file-validate"):
        raise Skip("needs desktop-file-validate")
    files = [source / "notify/data/org.bpfmon1.Notify.desktop", build / "notify/org.bpfmon1.Notify.desktop"]
    done = subprocess.run(["desktop-file-validate", *files], capture_output=True, check=False, encoding="utf-8")
    if done.returncode != 0 or done.stdout:
        raise AssertionError(done.stdout)
    for key in ("X-systemd-skip", "X-GNOME-HiddenUnderSystemd"):
        if f"{key}=true\n" not in files[1].read_text(encoding="utf-8"):
            raise AssertionError(f"no {key}")


def test_client_page():
    """bpfmonctl(1) has every command and option that bpfmonctl --help has"""
    told = subprocess.run([build / "client/bpfmonctl", "--help"], check=True, capture_output=True, encoding="utf-8")
    commands = re.findall(r"^  ([a-z]+)(?: \S+)*  ", told.stdout, re.MULTILINE)
    options = re.findall(r"--[a-z-]+", told.stdout)
    text = page("bpfmonctl.1")
    body = text[text.index("COMMANDS\n"):]
    missing = [c for c in commands if not re.search(rf"^(.*\W)?{c}(\W|$)", body, re.MULTILINE)]
    missing += [option for option in options if option not in text]
    if missing or len(commands) < 10 or len(options) < 15:
        raise AssertionError(f"not in the page: {missing} of {commands} and {options}")


def test_metainfo():
    """What software centres show is valid, and of the version that this is"""
    if not shutil.which("appstreamcli"):
        raise Skip("needs appstreamcli")
    file = source / "packaging/org.bpfmon1.Monitor.metainfo.xml"
    done = subprocess.run(["appstreamcli", "validate", "--no-net", file], capture_output=True, check=False,
                          encoding="utf-8")
    if done.returncode != 0:
        raise AssertionError(done.stdout + done.stderr)
    version = re.search(r"version: '(.*?)'", read("meson.build"))[1]
    for text in (file.read_text(encoding="utf-8"), read("packaging", "debian", "changelog").partition("\n")[0]):
        if version not in text:
            raise AssertionError(f"no {version} in {text!r}")


def catalog():
    """The entries of the catalog: {id: (headers, text)}."""
    entries = {}
    for part in re.split(r"^-- ", read("systemd", "bpfmond.catalog"), flags=re.MULTILINE)[1:]:
        name, _, rest = part.partition("\n")
        headers, _, text = rest.partition("\n\n")
        if name in entries:
            raise AssertionError(f"two entries {name}")
        entries[name] = dict(line.split(": ", 1) for line in headers.splitlines()), text
    return entries


def test_catalog():
    """The catalog explains each message that has an id, and names only fields that the message has"""
    ids = dict(re.findall(r"#define (MESSAGE_\w+) +\"([0-9a-f]{32})\"", read("daemon", "message-ids.h")))
    entries = catalog()
    if set(entries) != set(ids.values()) or len(ids) < 5:
        raise AssertionError(f"{set(entries) ^ set(ids.values())}")
    code = "".join(file.read_text(encoding="utf-8") for file in (source / "daemon").glob("*.c"))
    # An alert has the fields of its event.
    fields = {"BPFMON_" + field.upper().replace(".", "_")
              for field in re.findall(r'^FIELD\(\w+, "([^"]+)"', read("common", "fields.def"), re.MULTILINE)}
    for name, number in ids.items():
        headers, text = entries[number]
        if set(headers) != {"Subject", "Defined-By", "Documentation"} or not text.strip():
            raise AssertionError(f"{name}: {headers}")
        sent = [call for call in re.findall(r"log_message\((.*?)\);", code, re.DOTALL) if re.search(rf"\b{name}\b", call)]
        if not sent:
            raise AssertionError(f"nothing sends {name}")
        for field in re.findall(r"@(\w+)@", headers["Subject"] + text):
            if name == "MESSAGE_ALERT" and field in fields:
                continue
            if not all(f'"{field}"' in call for call in sent):
                raise AssertionError(f"{name} is sent without {field}=")


def test_journalctl():
    """journalctl compiles the catalog, and lists our entries"""
    if not shutil.which("journalctl"):
        raise Skip("needs journalctl")
    with tempfile.TemporaryDirectory() as root:
        place = pathlib.Path(root, "usr/lib/systemd/catalog")
        place.mkdir(parents=True)
        shutil.copy(source / "systemd/bpfmond.catalog", place)
        pathlib.Path(root, "var/lib/systemd/catalog").mkdir(parents=True)
        done = subprocess.run(["journalctl", f"--root={root}", "--update-catalog"], capture_output=True, check=False,
                              encoding="utf-8")
        if done.returncode != 0 or done.stderr:
            raise AssertionError(f"{done.returncode}: {done.stderr}")
        database = pathlib.Path(root, "var/lib/systemd/catalog/database").read_bytes()
    for headers, _ in catalog().values():
        if headers["Subject"].encode() not in database:
            raise AssertionError(f"{headers['Subject']!r} is not in the compiled catalog")


tap = Tap()
for test in (test_conf, test_settings_page, test_options_page, test_client_page, test_event_page, test_interface_page, test_notify_page, test_desktop_files, test_metainfo, test_catalog, test_journalctl):
    tap.run(test.__doc__.splitlines()[0], test)
sys.exit(tap.done())
