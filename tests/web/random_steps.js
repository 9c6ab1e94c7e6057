// Random steps in the page without a server: after each, what is known of the objects is what their
// pixels say, and undo and redo bring back every state. True if each kind of step was among them.
async (seed) => {
    const at = (name) => import(new URL(`alone/${name}`, document.baseURI));
    const [{ Labels }, edits, { Runs }] = [await at("labels.js"), await at("edits.js"), await at("runs.js")];
    const draw = (below) => { seed = (seed * 1103515245 + 12345) % 2147483648; return Math.floor(seed / 65536) % below; };
    const labels = new Labels(40, 30);
    const disc = () => {
        const [u, v, radius, runs] = [draw(40), draw(30), 2 + draw(7), new Runs()];
        for (let y = Math.max(v - radius, 0); y < Math.min(v + radius, 30); y++) {
            runs.push(y * 40 + Math.max(u - radius, 0), y * 40 + Math.min(u + radius, 40));
        }
        return runs.done();
    };
    const some = (count) => [...labels.facts.keys()].sort((a, b) => (a * 7) % 5 - (b * 7) % 5).slice(0, count);
    const bar = (how, id) => ({ how, id, left: draw(30), top: draw(28), mask: { size: [2, 9], counts: [0, 18] } });
    const steps = [
        () => edits.commit(labels, { runs: disc(), score: 0.5 }, "leaf"),
        () => edits.replaceAll(labels, [disc(), disc(), disc()].map((runs) => ({ runs, score: 0.5, stability: 0.5 })), "everything"),
        () => edits.paint(labels, bar("new")), () => edits.paint(labels, bar("erase")),
        () => edits.paint(labels, bar("add", some(1)[0])), () => edits.merge(labels, some(2)),
        () => edits.split(labels, some(1)[0], "components"), () => edits.remove(labels, some(1)),
        () => edits.classify(labels, some(2), "stone"), () => edits.review(labels, some(1), true),
    ];
    const check = () => {
        const counts = new Map();
        for (const id of labels.ids) if (id) counts.set(id, (counts.get(id) || 0) + 1);
        const known = new Map([...labels.facts].map(([id, { area }]) => [id, area]));
        const sorted = (map) => JSON.stringify([...map].sort(([a], [b]) => a - b));
        if (sorted(counts) !== sorted(known)) throw new Error(`${sorted(counts)} are ${sorted(known)}`);
        return `${labels.ids} ${sorted(new Map([...labels.facts].map(([id, own]) => [id, JSON.stringify(own)])))}`;
    };
    const states = [check()];
    const done = new Set();
    while (states.length < 150) {
        const step = draw(steps.length);
        if (labels.facts.size < 3 && step > 1) continue;
        const before = labels.done.length;
        try { steps[step](); } catch (error) { if (error.name !== "Error" || !error.status) throw error; }
        const now = check();
        if (labels.done.length === before) continue;
        states.push(now);
        done.add(step);
    }
    for (let place = states.length - 2; place >= 0; place--) {
        labels.undo();
        if (check() !== states[place]) throw new Error(`undo of step ${place}`);
    }
    for (let place = 1; place < states.length; place++) {
        labels.redo();
        if (check() !== states[place]) throw new Error(`redo of step ${place}`);
    }
    return done.size === steps.length;
}
