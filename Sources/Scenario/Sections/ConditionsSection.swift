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
        var links: [Slow] = []
    }
    private struct Slow {
        var share: Double?
        var index: Int?
        var slowdown: Double?
        var from = Duration.zero
    }

    static var entries: [SchemaEntry] { section.entries }

    private static var section: Section<Draft> {
        Section([
            Field("jitter", \.jitter, jitter, "random variation of durations, as coefficients of variation"),
            Field("slow_gpus", \.gpus, .list(of: slow("gpu"), atMost: 10_000), default: "none", "GPUs that compute slower"),
            Field("slow_links", \.links, .list(of: slow("node"), atMost: 10_000), default: "none", "nodes whose network ports are slower"),
        ])
    }

    private static var jitter: Section<Jitter> {
        Section([
            Field("kernel", \.kernel, .ratio(0...2, example: "1%"), default: "0", "of every kernel's duration"),
            Field("network", \.network, .ratio(0...2, example: "2%"), default: "0", "of every transfer between nodes"),
        ])
    }

    private static func slow(_ which: String) -> Kind<Slow> {
        let section = Section<Slow>([
            Field("share", \.share, .ratio(0...1, example: "0.5%"), default: "or \(which)", "share of all, drawn with the seed"),
            Field(which, \.index, .integer(0...10_000_000, example: 17), default: "or share", "a particular one, from 0"),
            Field("slowdown", \.slowdown, .ratio(1...1000, example: "1.3"), default: "required", "its work takes so many times as long"),
            Field("from", \.from, .quantity, default: "0 s", "point of the run from which it is slow"),
        ])
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

    static func read(_ item: Item, _ reader: inout Reader) -> Conditions {
        var draft = Draft()
        section.read(item, into: &draft, &reader)
        var conditions = Conditions()
        conditions.kernelJitter = draft.jitter.kernel ?? 0
        conditions.networkJitter = draft.jitter.network ?? 0
        conditions.slowGPUs = draft.gpus.map { slow in
            .init(which: slow.index.map { .gpu($0) } ?? .share(slow.share ?? 0), slowdown: slow.slowdown ?? 1, from: slow.from)
        }
        conditions.slowLinks = draft.links.map { slow in
            .init(which: slow.index.map { .node($0) } ?? .share(slow.share ?? 0), slowdown: slow.slowdown ?? 1, from: slow.from)
        }
        return conditions
    }
}
