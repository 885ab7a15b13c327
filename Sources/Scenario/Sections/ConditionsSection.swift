import Lifetime
import Quantities
import Simulation

/// The section `conditions`: what disturbs a run.
enum ConditionsSection {
    private struct Jitter {
        var kernel: Double?
        var network: Double?
    }
    private struct Draft {
        var jitter = Jitter()
        var gpus: [Slow] = []
        var links: [SlowLink] = []
        var faults: [[Conditions.LinkFaults]] = []
        var weeks = WeeksSpec()
    }
    private struct BrokenLink {
        var place = SlowLink()
        var rate = 0.0
        var until: Duration?
        var reroutes = false
        var down: Duration?
        var every: Duration?
    }
    private struct Slow {
        var share: Double?
        var index: Int?
        var slowdown: Double?
        var from = Duration.zero
    }
    private struct SlowLink {
        var slow = Slow()
        var gpu: Int?
        var link: String?
        var which: Conditions.SlowLinks.Which {
            if let link { return .link(link) }
            if let gpu { return .gpu(gpu) }
            return slow.index.map { .node($0) } ?? .share(slow.share ?? 0)
        }
        var targets: Int { [slow.share != nil, slow.index != nil, gpu != nil, link != nil].count { $0 } }
    }

    static var entries: [SchemaEntry] { section.entries }

    private static var section: Section<Draft> {
        Section(steps + WeeksSection.fields.map { $0.within(\.weeks) })
    }

    /// What disturbs single steps.
    private static var steps: [Field<Draft>] {
        [
            Field("jitter", \.jitter, jitter, "random variation of durations, as coefficients of variation"),
            Field("slow_gpus", \.gpus, .list(of: slow("gpu"), atMost: 10_000), default: "none", "GPUs that compute slower"),
            Field(
                "slow_links", \.links, .list(of: slowLink, atMost: 10_000), default: "none",
                "ports of nodes or GPUs, or links, that are slower"),
            Field(
                "link_faults", \.faults, .list(of: fault, atMost: 10_000), default: "none",
                "ports or links that are down or slow for a time, also within a step; needs simulate.network: flow"),
        ]
    }

    private static var jitter: Section<Jitter> {
        Section([
            Field("kernel", \.kernel, .ratio(0...2, example: "1%"), default: "0", "of every kernel's duration"),
            Field("network", \.network, .ratio(0...2, example: "2%"), default: "0", "of every transfer between nodes"),
        ])
    }

    private static func slowFields(_ which: String) -> [Field<Slow>] {
        [
            Field("share", \.share, .ratio(0...1, example: "0.5%"), default: "or \(which)", "share of all, drawn with the seed"),
            Field(which, \.index, .integer(0...10_000_000, example: 17), default: "or share", "a particular one, from 0"),
            Field("slowdown", \.slowdown, .ratio(1...1000, example: "1.3"), default: "required", "its work takes so many times as long"),
            Field("from", \.from, .quantity, default: "0 s", "point of the run from which it is slow"),
        ]
    }

    private static var otherPlaces: [Field<SlowLink>] {
        [
            Field("gpu", \.gpu, .integer(0...10_000_000, example: 17), default: "or share", "the port that this GPU sends through"),
            Field(
                "link", \.link, .text, default: "or share",
                "a link by its name in results, such as \"leaf 0 of rail 3 to spine 5\"; needs simulate.network: flow"),
        ]
    }

    /// As the faults of a cluster file (docs/fabric.md); a flapping port is several faults.
    private static var fault: Kind<[Conditions.LinkFaults]> {
        let section = Section<BrokenLink>(
            (slowFields("node").filter { $0.key != "slowdown" }.map { $0.within(\SlowLink.slow) } + otherPlaces).map {
                $0.within(\BrokenLink.place)
            }
                + [
                    Field("rate", \.rate, .ratio(0...1, example: "50%"), default: "0: it is down", "share of the link's rate that is left"),
                    Field("until", \.until, .quantity, default: "for ever", "point of the run at which it is well again"),
                    Field("reroute", \.reroutes, .flag, default: "false", "flows take another way where there is one, else they wait"),
                    Field("down", \.down, .quantity, default: "all the time", "of each period of a port that flaps, with every and until"),
                    Field("every", \.every, .quantity, default: "all the time", "period of a port that flaps"),
                ])
        let example = "{gpu: 17, from: 1 s, until: 2 s}"
        return Kind("{share, node, gpu or link, from, until, ...}", example: example, children: section.entries.map { $0.under("[]") }) {
            item, reader in
            let before = reader.errors.count
            var fault = BrokenLink()
            section.read(item, into: &fault, &reader)
            guard reader.errors.count == before else { return nil }
            guard fault.place.targets == 1 else {
                reader.report(item, "exactly one of share, node, gpu and link is needed", "write \(example)")
                return nil
            }
            return spans(fault, item, &reader)
        }
    }

    private static let spanLimit = 1000

    private static func spans(_ fault: BrokenLink, _ item: Item, _ reader: inout Reader) -> [Conditions.LinkFaults]? {
        func refuse(_ key: String, _ reason: String, _ advice: String) -> [Conditions.LinkFaults]? {
            reader.report(item.tree[key]?.place ?? item.tree.place, "\(item.path).\(key)", reason, advice)
            return nil
        }
        let from = fault.place.slow.from
        if let until = fault.until, until <= from {
            return refuse("until", "\(until) is not later than from, \(from)", "write a later time")
        }
        var one = Conditions.LinkFaults(
            which: fault.place.which, rate: fault.rate, from: from, until: fault.until, reroutes: fault.reroutes)
        guard fault.down != nil || fault.every != nil else { return [one] }
        guard let down = fault.down, let every = fault.every else {
            return refuse(
                fault.down == nil ? "down" : "every", "the key is missing; down and every belong together", "write down: 1 ms, every: 10 ms"
            )
        }
        guard let until = fault.until else {
            return refuse("until", "the key is missing; a port that flaps is well again at some time", "write until: 1 s")
        }
        guard down > .zero, down < every else {
            return refuse("down", "\(down) is not between zero and every, \(every)", "write a shorter time")
        }
        guard (until.nanoseconds - from.nanoseconds) / every.nanoseconds < Int64(spanLimit) else {
            return refuse("every", "this makes more than \(spanLimit) faults", "write a longer period or an earlier until")
        }
        var spans: [Conditions.LinkFaults] = []
        var start = from.nanoseconds
        while start < until.nanoseconds {
            one.from = Duration(nanoseconds: start)
            one.until = Duration(nanoseconds: min(until.nanoseconds, start + down.nanoseconds))
            spans.append(one)
            start += every.nanoseconds
        }
        return spans
    }

    private static var slowLink: Kind<SlowLink> {
        let section = Section<SlowLink>(slowFields("node").map { $0.within(\SlowLink.slow) } + otherPlaces)
        let example = "{node: 0, slowdown: 1.3}"
        return Kind("{share, node, gpu or link, slowdown, from}", example: example, children: section.entries.map { $0.under("[]") }) {
            item, reader in
            let before = reader.errors.count
            var slow = SlowLink()
            section.read(item, into: &slow, &reader)
            guard reader.errors.count == before else { return nil }
            guard slow.targets == 1 else {
                reader.report(item, "exactly one of share, node, gpu and link is needed", "write \(example)")
                return nil
            }
            guard slow.slow.slowdown != nil else {
                reader.report(item.tree.place, "\(item.path).slowdown", "the key is missing", "write \(example)")
                return nil
            }
            return slow
        }
    }

    private static func slow(_ which: String) -> Kind<Slow> {
        let section = Section<Slow>(slowFields(which))
        let example = "{\(which): 0, slowdown: 1.3}"
        return Kind("{share or \(which), slowdown, from}", example: example, children: section.entries.map { $0.under("[]") }) {
            item, reader in
            let before = reader.errors.count
            var slow = Slow()
            section.read(item, into: &slow, &reader)
            guard reader.errors.count == before else { return nil }
            if (slow.share == nil) == (slow.index == nil) {
                reader.report(item, "exactly one of share and \(which) is needed", "write \(example)")
                return nil
            }
            if slow.slowdown == nil {
                reader.report(item.tree.place, "\(item.path).slowdown", "the key is missing", "write \(example)")
                return nil
            }
            return slow
        }
    }

    static func read(_ item: Item, _ reader: inout Reader) -> (conditions: Conditions, weeks: WeeksSpec) {
        var draft = Draft()
        section.read(item, into: &draft, &reader)
        var conditions = Conditions()
        conditions.kernelJitter = draft.jitter.kernel ?? 0
        conditions.networkJitter = draft.jitter.network ?? 0
        conditions.slowGPUs = draft.gpus.map { slow in
            .init(which: slow.index.map { .gpu($0) } ?? .share(slow.share ?? 0), slowdown: slow.slowdown ?? 1, from: slow.from)
        }
        conditions.slowLinks = draft.links.map { link in
            .init(which: link.which, slowdown: link.slow.slowdown ?? 1, from: link.slow.from)
        }
        conditions.linkFaults = draft.faults.flatMap { $0 }
        if draft.weeks.spot?.autoscales == true, draft.weeks.elastic == nil { draft.weeks.elastic = ElasticSpec() }
        return (conditions, draft.weeks)
    }
}
