#!/usr/bin/env node
// SPDX-License-Identifier: LGPL-2.1-or-later
// Tells alerts and what was refused as it happens, until Ctrl-C. Arguments are matches that take the place of that:
// node alerts.js event=prog-load
'use strict';

const dbus = require('dbus-next');

const NAME = 'org.bpfmon1';
const PATH = '/org/bpfmon1';

// Terms of one field are alternatives, those of several have to hold together: so this takes two subscriptions.
const INTERESTING = [['severity=warning', 'severity=critical'], ['result=denied', 'result=rejected']];
const FIELDS = ['seq', 'time', 'event', 'severity', 'message', 'process.name', 'result'];

// Values are variants, and numbers of 64 bits BigInts.
function tell(event) {
    const get = (name) => event[name] === undefined ? undefined : event[name].value;
    const when = new Date(Number(get('time') / 1000n)).toISOString().slice(11, 19);
    const text = get('message') || `${get('process.name') || '?'}: ${get('event')}, ${get('result')}`;
    console.log(`${when} ${get('severity')} ${text}`);
}

async function main(matches) {
    const bus = dbus.systemBus();
    const seen = new Set(); // what passes both subscriptions comes twice

    // Before Subscribe(): the first events may be here before its answer is.
    bus.on('message', (message) => {
        if (message.type !== dbus.MessageType.SIGNAL || message.interface !== 'org.bpfmon1.Subscription')
            return;
        if (message.member === 'Closed') {
            console.error(`not authorized any more: ${message.body[0]}`);
            process.exit(77);
        }
        if (message.member !== 'Events')
            return;
        const [, lost, events] = message.body;
        if (lost > 0n)
            console.log(`-- ${lost} events lost --`);
        for (const event of events) {
            const seq = event.seq && event.seq.value;
            if (seq !== undefined && seen.has(seq))
                continue;
            seen.add(seq);
            if (seen.size > 1000)
                seen.delete(seen.values().next().value);
            tell(event);
        }
    });

    const object = await bus.getProxyObject(NAME, PATH);
    const manager = object.getInterface('org.bpfmon1.Manager');
    for (const terms of matches.length > 0 ? [matches] : INTERESTING)
        await manager.Subscribe(terms, { fields: new dbus.Variant('as', FIELDS) });
    console.error('subscribed');
}

main(process.argv.slice(2)).catch((error) => {
    console.error(error.message || String(error));
    process.exit(1);
});
