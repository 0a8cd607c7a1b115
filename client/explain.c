/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "explain.h"

#include <json.h>
#include <string.h>

#include "ability.h"
#include "bus-json.h"
#include "value.h"

/* Entries that are put into the event for the templates below (value.h has what they may say). */
#define WHEN    "explain.when"    /* "Thu 2026-11-26 13:37:40 UTC" */
#define PURPOSE "explain.purpose" /* what programs of its type are run for */
#define MAY     "explain.may"     /* what it may do, where it is anything special */
#define GRAVE   "explain.grave"   /* of that what changes things for others */

enum {
        ABILITIES_TOLD = 4, /* in one sentence */
};

static const char
        who[] = "<{process.name}[{process.pid}]|Process {process.pid}|{process.name}|The kernel>"
                "< of {user.name}| of user {user.id}|>< in {unit}| in container {container.id}"
                "| in session {session}|>";

/* The words of an event: "did" and "tried to" with what it was done to; then what that does, and
 * why it may matter where it was done. */
static const struct words {
        const char *event;
        const char *did, *act, *object;
        const char *does, *matters;
} table[] = {
        {"prog-load", "loaded", "load",
         "a program< \"{prog.name}\"| \"{bpf.attr.prog_name}\"|>< of type {prog.type}|>"
         "< with id {prog.id}|>",
         "<It {" PURPOSE "}|It is code that runs inside the kernel>< and may {" MAY "}|>; it does "
         "nothing until it is attached somewhere.",
         "<It may {" GRAVE "}, which tools for tracing and security do, and rootkits, too: be sure "
         "that you know who brought it.|It came from container {container.id}, but it can see and "
         "change what is outside of it.|Somebody started it in session {session}, and no service "
         "did: fine if it was an administrator who looks for something.|{unit} did that, as "
         "services do that filter, watch or secure something: it matters if you do not know that "
         "one.|What runs in the kernel sees and may change what all others do: it matters if you "
         "do not know who brought it.>"},
        {"prog-unload", "unloaded", "unload",
         "the< {prog.type}|> program< \"{prog.name}\"|>< with id {prog.id}|>",
         "Nothing held it any more, so that its code is gone from the kernel<, after {lifetime}|>.",
         "<{loaded_by.name} (process {loaded_by.pid}) had brought it|Who had brought it is not "
         "known>: it matters if it was to protect or to measure something, which nobody does now."},
        {"prog-run", "ran", "run", "the program< \"{prog.name}\"|>< with id {prog.id}|> by hand",
         "It ran once, with input that the caller made up, as tests of programs do.",
         "It changes nothing for others, but for programs of the type syscall, which may call bpf() "
         "themselves."},
        {"prog-bind-map", "bound", "bind", "map< {map.id}|> to program< {prog.id}|>",
         "The map lives as long as the program does, though its code does not use it.",
         "It is how loaders keep data about a program with it, and seldom matters."},
        {"prog-assoc-struct-ops", "associated", "associate",
         "a struct_ops map with program< {prog.id}|>",
         "Functions of the kernel that the program calls act on that map's.",
         "It matters where the map takes the place of a part of the kernel, such as the "
         "scheduler."},
        {"map-create", "created", "create",
         "a map< \"{map.name}\"| \"{bpf.attr.map_name}\"|>< of type {map.type}|>< with id {map.id}|>",
         "It is memory that BPF programs and processes share<, with room for {map.max_entries} "
         "entries|>.",
         "By itself it does nothing: it matters for the programs that use it, and by the memory "
         "that it takes."},
        {"map-free", "freed", "free", "the< {map.type}|> map< \"{map.name}\"|>< with id {map.id}|>",
         "Nobody held it any more, and what was in it is gone<, after {lifetime}|>.",
         "<{loaded_by.name} (process {loaded_by.pid}) had created it|Who had created it is not "
         "known>: it matters if its contents were still wanted."},
        {"map-freeze", "froze", "freeze", "the map< \"{map.name}\"|>< with id {map.id}|>",
         "From now on no process can change it by bpf(); programs that use it still can.",
         "It is how loaders protect constants of a program, and seldom matters."},
        {"map-access", "used", "use", "the map< \"{map.name}\"|>< with id {map.id}|>",
         "It read or changed elements of the map<, {calls} times|>.",
         "Changes of a map may change what the programs that use it do: it matters if the map is "
         "another one's."},
        {"btf-load", "loaded", "load", "type information (BTF)< with id {btf.id}|>",
         "It says how the types of a program or map look, so that others can show them.",
         "By itself it does nothing; a program or a map mostly follows."},
        {"btf-free", "freed", "free", "type information (BTF)< with id {btf.id}|>",
         "No program and no map used it any more.", "It seldom matters."},
        {"link-create", "created", "create",
         "a link< of type {link.type}|>< with id {link.id}|>< for program {prog.id}|>",
         "A link keeps a program attached as long as somebody holds it, or it is pinned.",
         "<It came from container {container.id}, but it reaches what is outside of it.|From now "
         "on the program runs: it matters if you do not know who brought it.>"},
        {"link-update", "changed", "change", "the program of link< {link.id}|>< to {prog.id}|>",
         "Another program runs from now on in the place of the one before, without a gap.",
         "It matters if the link is another one's: whoever holds it decides what runs there."},
        {"link-free", "freed", "free", "the< {link.type}|> link< with id {link.id}|>",
         "What it attached is detached<, after {lifetime}|>.",
         "<{loaded_by.name} (process {loaded_by.pid}) had made it|Who had made it is not known>: "
         "it matters if it was to protect or to measure something."},
        {"attach", "attached", "attach",
         "program< {prog.id}|>< \"{prog.name}\"|>< to {attach.target}| as {attach.type}|>",
         "<From now on it {" PURPOSE "}|From now on it runs there>< and may {" MAY "}|>.",
         "<It may {" GRAVE "}, which tools for tracing and security do, and rootkits, too: be sure "
         "that you know who brought it.|It came from container {container.id}, but it reaches what "
         "is outside of it.|{unit} did that, as services do that filter, watch or secure "
         "something: it matters if you do not know that one.|It matters if you do not know who "
         "brought it.>"},
        {"detach", "detached", "detach",
         "program< {prog.id}|>< \"{prog.name}\"|>< from {attach.target}| as {attach.type}|>",
         "It does not run there any more; it goes with its last holder.",
         "It matters if it was to protect or to measure something, and if who detached it is not "
         "who had attached it."},
        {"pin", "pinned", "pin",
         "<program {prog.id}|map {map.id}|link {link.id}|an object>< at {pin.path}|>",
         "It stays after its maker ends, until the file is removed or the machine restarts.",
         "It is how services survive their own restart, and also how something stays that nobody "
         "runs any more."},
        {"unpin", "unpinned", "unpin",
         "<program {prog.id}|map {map.id}|link {link.id}|an object>< at {pin.path}|>",
         "The file is gone; the object goes with its last holder.",
         "It matters if somebody else needed to find it there."},
        {"token-create", "created", "create", "a BPF token",
         "Who holds it may use parts of bpf() without the privileges of root.",
         "It is how containers are let in on purpose: it matters if you have not set that up."},
        {"stats-enable", "switched on", "switch on", "run-time statistics of all programs",
         "The kernel counts and times each run of a program, as long as the caller wants it.",
         "It costs each run of each program some 20 ns, and is what tools that measure do."},
        {"socket-filter-attach", "put", "put",
         "a filter<, program {prog.id},|>< of {filter.instructions} instructions|>< on "
         "{attach.target}|> by {attach.via}",
         "It chooses which of what comes to the socket is received, without asking bpf().",
         "<It came from container {container.id}, as servers and tools in one do.|Servers and "
         "tools that capture packets do that: it matters where none is expected.>"},
        {"socket-filter-detach", "took", "take", "a filter< from {attach.target}|>",
         "The socket receives all that comes to it again.",
         "It seldom matters, unless the filter was there to keep something out."},
        {"seccomp-filter", "installed", "install",
         "a seccomp filter< of {filter.instructions} instructions|>",
         "The process and those that it starts can make only the system calls that the filter "
         "allows.",
         "It is how programs lock themselves in, and makes attacks harder; a filter that hands "
         "calls to another process lets that one decide."},
        {"iter-create", "opened", "open", "an iterator< of link {link.id}|>",
         "Reading it runs a program for each of many objects of the kernel.",
         "It only looks, at what its program shows."},
        {"object-get", "got", "get",
         "<program {prog.id}|map {map.id}|link {link.id}|BTF {btf.id}|an object>< at {pin.path}|>",
         "It can use the object as its maker can.",
         "Tools that list do that; it matters if it goes on to change what is another one's."},
        {"object-query", "asked about", "ask about", "objects of bpf()<, by {bpf.cmd}|>",
         "It learned which programs, maps and links there are, or more of one.", "It only looks."},
        {"alert", "gave reason for", "give reason for", "an alert",
         "<{message}.|A rule says that it is worth a look.>",
         "Somebody thought it worth a rule (bpfmon.rules(5)): see what else that process did."},
        {"tamper", "reached for", "reach for", "what belongs to bpfmond itself",
         "<{message}.|It may read, change or switch off a part of what bpfmond sees.>",
         "Nobody but bpfmond needs that: unless you know why, take it for an attempt to hide "
         "something, and look at what this process did else."},
        {"hidden-object", "did not show", "show",
         "<program {prog.id}|map {map.id}|link {link.id}|an object> as it is",
         "<{message}.|Its own list and the hooks of bpfmond do not agree on it.>",
         "It is how rootkits hide what they have put into the kernel: unless you know what changes "
         "the kernel's answers here, take this machine for one that is in other hands."},
        {"lost", "did not see", "see", "<{lost.count} events|some events>",
         "They happened, but were lost on their way<, at: {lost.where}|>.",
         "What happened then is not told: look at bpfmonctl status, and at what made so many "
         "events."},
        {"probe-state", "changed", "change", "the probe< {probe.name}|>< to {probe.state}|>",
         "From then on bpfmond sees more, or less.",
         "It matters for what is not told any more; bpfmonctl probes says what that is."},
        {"connection-open", "opened", "open",
         "a connection< to {destination.address}|><, service {service.name}|>",
         "Bytes and waiting times of it are counted from now on.", "It is traffic like any other."},
        {"connection-close", "closed", "close",
         "a connection< to {destination.address}|><, service {service.name}|>",
         "<It sent {bytes.sent}|What it sent is not known><, received {bytes.received}|>.",
         "It is traffic like any other."},
        {"connection-stats", "used", "use",
         "a connection< to {destination.address}|><, service {service.name}|>",
         "<It has sent {bytes.sent}|What it sent is not known><, received {bytes.received}|>.",
         "It is traffic like any other."},
        {"unknown-call", "made", "make", "a call of bpf() that bpfmond does not know<, {bpf.cmd}|>",
         "The kernel did what it was asked for; what that was is not known here.",
         "A kernel that is newer than bpfmond has such calls: bpfmond needs an update."},
};

/* For events of a bpfmond that knows more. */
static const struct words any = {
        "",
        "caused",
        "cause",
        "the event {event}",
        "<{message}.|What that does is not known here.>",
        "This bpfmonctl is older than bpfmond: bpfmonctl query --json=pretty seq={seq} shows all "
        "of it.",
};

/* Of what a rule of bpfmond has raised. */
static const char raised[] =
        "<It was raised to {severity} by {rule.name}, \"{rule.description}\"><, as it may {" GRAVE
        "}|>"
        ": be sure that you know who did it, and why.";

/* Where it was not done: how that went, and what it means. */
static const struct outcome {
        const char *result;
        const char *how, *does, *matters;
} outcomes[] = {
        {"rejected", ", but the verifier of the kernel rejected it<: {verifier.reason}|>",
         "The kernel takes no code that it cannot prove to be safe, and nothing was installed.",
         "It is mostly a mistake of its author, or a test of what this kernel can; many of them in "
         "a row may be somebody who looks for a hole in the verifier."},
        {"denied", ", but was not allowed to<: {errno}|>",
         "The kernel asks for privileges that the caller does not have, and nothing was done.",
         "Libraries try what they may do, and go on without; it matters where somebody tries "
         "again and again, or should not know of bpf() at all."},
        {"failed", ", but that failed<: {errno}|>", "Nothing was done, and the caller was told so.",
         "It is mostly a mistake, or something that this kernel does not have."},
};

static const struct words *find_words(const char *event) {
        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                if (strcmp(table[i].event, event) == 0)
                        return &table[i];

        return &any;
}

static const struct outcome *find_outcome(const char *result) {
        for (size_t i = 0; result && i < ELEMENTSOF(outcomes); i++)
                if (strcmp(outcomes[i].result, result) == 0)
                        return &outcomes[i];

        return NULL;
}

static int put(struct json_object *event, const char *key, const char *value) {
        struct json_object *string = value && value[0] ? json_object_new_string(value) : NULL;

        return string ? json_object_object_add(event, key, string) : 0;
}

/* "a, b and c" */
static void list_abilities(struct text *t, const struct ability *const *found, size_t n) {
        size_t told = MIN(n, (size_t) ABILITIES_TOLD);

        for (size_t i = 0; i < told; i++) {
                bool last = i + 1 == told;
                text_printf(t, "%s%s",
                            i == 0              ? ""
                            : last && told == n ? " and "
                                                : ", ",
                            found[i]->words);
        }
        if (told < n)
                text_add(t, " and more");
}

static int put_abilities(struct json_object *event) {
        const struct ability *found[ABILITIES_MAX];
        _cleanup_text_ struct text may = {}, grave = {};
        size_t n = ability_find(row_get(event, FIELD_PROG_HELPERS),
                                row_get(event, FIELD_PROG_KFUNCS), found);
        size_t n_grave = 0;

        while (n_grave < n && found[n_grave]->grave)
                n_grave++;
        list_abilities(&may, found + n_grave, n - n_grave);
        list_abilities(&grave, found, n_grave);

        int r = put(event, MAY, text_string(&may));
        if (r >= 0)
                r = put(event, GRAVE, text_string(&grave));
        return r;
}

static int put_entries(struct json_object *event) {
        const char *type = row_string(event, FIELD_PROG_TYPE);
        _cleanup_text_ struct text when = {};

        if (row_get(event, FIELD_TIME))
                text_add_date(&when, row_number(event, FIELD_TIME));
        int r = put(event, WHEN, text_string(&when));
        if (r >= 0)
                r = put(event, PURPOSE, type ? ability_of_type(type) : NULL);

        return r < 0 ? r : put_abilities(event);
}

/* "On DATE, bpftool[812] of root loaded a program." */
static void add_happened(struct text *t, struct json_object *event, const struct words *w,
                         const struct outcome *outcome) {
        row_add(t, event, "<On {" WHEN "}, |>");
        row_add(t, event, who);
        text_printf(t, " %s%s ", outcome ? "tried to " : "", outcome ? w->act : w->did);
        row_add(t, event, w->object);
        if (outcome)
                row_add(t, event, outcome->how);
        text_add(t, ".");
}

int explain_event(struct explanation *ret, struct json_object *event) {
        const char *kind = row_string(event, FIELD_EVENT);
        const struct words *w = find_words(kind ? kind : "");
        const struct outcome *outcome = find_outcome(row_string(event, FIELD_RESULT));

        int r = put_entries(event);
        if (r < 0)
                return -ENOMEM;
        add_happened(&ret->happened, event, w, outcome);
        row_add(&ret->does, event, outcome ? outcome->does : w->does);
        row_add(&ret->matters, event,
                row_get(event, FIELD_RULE_DESCRIPTION) ? raised
                : outcome                              ? outcome->matters
                                                       : w->matters);

        return ret->happened.failed || ret->does.failed || ret->matters.failed ? -ENOMEM : 0;
}

void explanation_clear(struct explanation *e) {
        text_clear(&e->happened);
        text_clear(&e->does);
        text_clear(&e->matters);
}
