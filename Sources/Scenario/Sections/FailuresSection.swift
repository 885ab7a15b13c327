import Foundation
import Lifetime
import Quantities

extension Duration {
    var inSeconds: Double { Double(nanoseconds) / 1e9 }
}

/// Kinds of values of `conditions.failures` and its like.
enum WeeksKinds {
    /// A duration, or a distribution of one: `{median:, p95:}` is lognormal, `{mean:}` exponential, `{from:, to:}` uniform.
    static var law: Kind<DurationLaw> {
        struct Draft {
            var median: Duration?
            var p95: Duration?
            var mean: Duration?
            var from: Duration?
            var to: Duration?
        }
        let section = Section<Draft>([
            Field("median", \.median, .quantity, default: "none", "of a lognormal distribution, with p95"),
            Field("p95", \.p95, .quantity, default: "none", "its 95th percentile"),
            Field("mean", \.mean, .quantity, default: "none", "of an exponential distribution"),
            Field("from", \.from, .quantity, default: "none", "of a uniform distribution, with to"),
            Field("to", \.to, .quantity, default: "none", "its upper limit"),
        ])
        let short = Kind<Duration>.quantity.map { DurationLaw.constant($0.inSeconds) }
        return Kind<DurationLaw>(
            "{median:, p95:}, {mean:} or {from:, to:}", example: "{median: 1 min, p95: 10 min}", children: section.entries
        ) {
            item, reader in
            let before = reader.errors.count
            var draft = Draft()
            section.read(item, into: &draft, &reader)
            guard reader.errors.count == before else { return nil }
            switch (draft.median, draft.p95, draft.mean, draft.from, draft.to) {
            case (let median?, let p95?, nil, nil, nil) where p95 >= median: return .lognormal(median: median.inSeconds, p95: p95.inSeconds)
            case (nil, nil, let mean?, nil, nil): return .exponential(mean: mean.inSeconds)
            case (nil, nil, nil, let from?, let to?) where to >= from: return .uniform(from: from.inSeconds, to: to.inSeconds)
            default:
                reader.report(
                    item, "this is no distribution of a duration",
                    "write 30 s, {median: 1 min, p95: 10 min}, {mean: 1 h} or {from: 0 s, to: 5 min}")
                return nil
            }
        }.abbreviated(by: short)
    }

    /// How a failure is found: after a time, or when the monitor sees it.
    enum Detection {
        case law(DurationLaw)
        case monitor
    }

    static var detection: Kind<Detection> {
        Kind("monitor, \(law.name)", example: "30 s", children: law.children) { item, reader in
            if case .scalar("monitor", _) = item.tree.content { return .monitor }
            return law.read(item, &reader).map { .law($0) }
        }
    }

    private enum LawName: String, CaseIterable { case exponential }

    static var distribution: Kind<FailureCause.Law> {
        struct Draft {
            var weibull: Double?
            var gamma: Double?
            var lognormal: Double?
            var trace: [Double]?
        }
        let times = Kind<[Double]>("path", example: "failures.csv") { item, reader in
            guard let name = item.scalar("a path", example: "failures.csv", &reader) else { return nil }
            guard let table = WeeksFiles.table(name, columns: ["time_s"], item, &reader) else { return nil }
            let times = table.column("time_s", or: 0)
            if let index = zip(times, times.dropFirst()).enumerated().first(where: { $1.1 < $1.0 })?.offset {
                reader.report(
                    item, "\(table.path): the time goes back from \(times[index]) s to \(times[index + 1]) s", "sort the rows by time")
                return nil
            }
            return times
        }
        let section = Section<Draft>([
            Field("weibull", \.weibull, .ratio(0.05...50, example: "0.7"), default: "none", "shape; below 1 old units fail less"),
            Field("gamma", \.gamma, .ratio(0.05...50, example: "2"), default: "none", "shape"),
            Field("lognormal", \.lognormal, .ratio(0.01...50, example: "1"), default: "none", "coefficient of variation"),
            Field("trace", \.trace, times, default: "none", "path of a table with the times of failures, column time_s"),
        ])
        let short = Kind<LawName>.choice.map { _ in FailureCause.Law.exponential }
        return Kind<FailureCause.Law>("{weibull:, gamma:, lognormal: or trace:}", example: "{weibull: 0.7}", children: section.entries) {
            item, reader in
            let before = reader.errors.count
            var draft = Draft()
            section.read(item, into: &draft, &reader)
            guard reader.errors.count == before else { return nil }
            switch (draft.weibull, draft.gamma, draft.lognormal, draft.trace) {
            case (let shape?, nil, nil, nil): return .weibull(shape: shape)
            case (nil, let shape?, nil, nil): return .gamma(shape: shape)
            case (nil, nil, let cv?, nil): return .lognormal(cv: cv)
            case (nil, nil, nil, let times?): return .trace(times)
            default:
                reader.report(item, "exactly one of weibull, gamma, lognormal and trace is needed", "write {weibull: 0.7}")
                return nil
            }
        }.abbreviated(by: short)
    }

    private enum BlastName: String, CaseIterable { case gpu, node, leaf, rack, domain, job }

    static var blast: Kind<Blast> {
        Kind("gpu | node | leaf | rack | domain | job, or a number of nodes", example: "node") { item, reader in
            guard let text = item.scalar("what is struck", example: "node", &reader) else { return nil }
            switch BlastName(rawValue: text) {
            case .gpu: return .gpu
            case .node: return .node
            case .leaf: return .leaf
            case .rack: return .rack
            case .domain: return .domain
            case .job: return .job
            case nil:
                let digits = text.split(separator: " ").first.flatMap { Int($0) }
                if let digits, digits > 0, text == "\(digits)" || text == "\(digits) nodes" { return .nodes(digits) }
                reader.report(
                    item, "\(item.text) is nothing that a failure strikes", suggestion(for: text, in: BlastName.allCases.map(\.rawValue)))
                return nil
            }
        }
    }
}

/// `conditions.failures`.
enum FailuresSection {
    private struct CauseDraft {
        var name: String?
        var per: FailingUnit?
        var mtbf: Duration?
        var rate: Double?
        var law: FailureCause.Law?
        var strikes: Blast?
        var isSilent: Bool?
        var detect: WeeksKinds.Detection?
        var shows: Double?
        var diagnose: DurationLaw?
        var repair: DurationLaw?
        var restart: DurationLaw?
        var memoryLost: Double?
        var renewal: FailureCause.Renewal?
    }

    private static var cause: Kind<CauseDraft> {
        let section = Section<CauseDraft>([
            Field("name", \.name, .text, default: "required", "what the result calls it; a cause of the preset by that name is changed"),
            Field("per", \.per, .choice, default: "node", "what the rate counts for"),
            Field("mtbf", \.mtbf, .quantity, default: "or per_1000_node_days", "mean time between failures of one unit"),
            Field(
                "per_1000_node_days", \.rate, .ratio(0...1e9, example: "6.5"), default: "or mtbf", "failures of a thousand nodes in a day"),
            Field("distribution", \.law, WeeksKinds.distribution, default: "exponential", "of the times between failures"),
            Field("strikes", \.strikes, WeeksKinds.blast, default: "the unit", "what a failure takes with it; job breaks no machine"),
            Field("silent", \.isSilent, .flag, default: "false", "found only by detect; the run then goes back past it"),
            Field(
                "detect", \.detect, WeeksKinds.detection, default: "0 s", "from the failure until somebody knows; monitor: as it sees it"),
            Field(
                "shows", \.shows, .ratio(0.001...1000, example: "10%"), default: "100%: the machine stops",
                "by how much a failure moves what the monitor watches, of its healthy value"),
            Field("diagnose", \.diagnose, WeeksKinds.law, default: "0 s", "until the broken node is known"),
            Field("repair", \.repair, WeeksKinds.law, default: "24 h; 0 s for the job", "until the node stands by again"),
            Field("restart", \.restart, WeeksKinds.law, default: "failures.restart", "in place of all the parts of a restart"),
            Field(
                "memory_lost", \.memoryLost, .ratio(0...1, example: "10%"), default: "100% where it takes several nodes, else 0",
                "chance that copies in peers' memory go with it"),
            Field(
                "renewal", \.renewal, .choice, default: "repair; restart for the job",
                "when a unit is as good as new, for distributions with a memory"),
        ])
        let whole = section.kind(CauseDraft(), name: "{name, per, mtbf, ...}")
        return Kind(
            whole.name, example: "{name: node, mtbf: 100 d}", children: section.entries.map { $0.under("[]") }, read: whole.read)
    }

    private struct RestartDraft {
        var requeue: DurationLaw?
        var initialise: DurationLaw?
        var load: Duration??
        var warmUp: Double?
    }
    private struct SparesDraft {
        var warm = 0
        var cold = 0
        var start: Duration?
        var crews: Int?
    }
    private struct LemonsDraft {
        enum Mean: String, CaseIterable { case raised, kept }
        var share = 0.0
        var factor = 1.0
        var screenedAbove: Int?
        var mean: Mean?
    }
    private struct Draft {
        var preset: FailurePreset?
        var causes: [CauseDraft] = []
        var lemons: LemonsDraft?
        var duringRecovery: Bool?
        var spares: SparesDraft?
        var restart: RestartDraft?
        var short = ShortDraft()
    }
    /// The short form: what fails by its mean time alone.
    private struct ShortDraft {
        var gpu: Duration?
        var node: Duration?
        var leaf: Duration?
        var detect: WeeksKinds.Detection?
        var repair: DurationLaw?

        /// Names, what they count for, and their times.
        var causes: [(key: String, name: String, per: FailingUnit, mtbf: Duration)] {
            let all: [(String, String, FailingUnit, Duration?)] = [
                ("gpu_mtbf", "gpu", .gpu, gpu), ("node_mtbf", "node", .node, node), ("switch_mtbf", "switch", .leaf, leaf),
            ]
            return all.compactMap { key, name, per, mtbf in mtbf.map { (key, name, per, $0) } }
        }
    }
    private static var shortFields: [Field<Draft>] {
        let fields: [Field<ShortDraft>] = [
            Field("gpu_mtbf", \.gpu, .quantity, default: "none", "short for a cause gpu: mean time between failures of one GPU"),
            Field("node_mtbf", \.node, .quantity, default: "none", "short for a cause node: of one node, beside its GPUs"),
            Field(
                "switch_mtbf", \.leaf, .quantity, default: "none",
                "short for a cause switch: of one leaf switch, which takes the nodes on it"),
            Field(
                "detect", \.detect, WeeksKinds.detection, default: "as the causes say",
                "of every cause that is not silent and gives none"),
            Field(
                "repair", \.repair, WeeksKinds.law, default: "as the causes say",
                "of every cause that breaks a machine and gives none"),
        ]
        return fields.map { $0.within(\.short) }
    }

    private static var section: Section<Draft> {
        let restart = Section<RestartDraft>([
            Field("requeue", \.requeue, WeeksKinds.law, default: "4 min", "until the job runs again on its nodes"),
            Field(
                "initialise", \.initialise, WeeksKinds.law, default: "30 s and 10 ms a node", "process groups, compilation, data loaders"),
            Field(
                "load", \.load, Kind<Duration>.quantity.or("auto"), default: "auto",
                "reading the state; auto: its size over the storage's bandwidth"),
            Field("warm_up", \.warmUp, .ratio(0...1e6, example: "20"), default: "0", "steps at half pace"),
        ])
        let spares = Section<SparesDraft>([
            Field("warm", \.warm, .integer(0...1_000_000, example: 16), default: "0", "nodes that stand by"),
            Field("cold", \.cold, .integer(0...1_000_000, example: 16), default: "0", "nodes that take start until they can be used"),
            Field("start", \.start, .quantity, default: "10 min", "of a cold one"),
            Field("crews", \.crews, .integer(1...1_000_000, example: 4), default: "as many as needed", "nodes repaired at one time"),
        ])
        let lemons = Section<LemonsDraft>([
            Field("share", \.share, .ratio(0...1, example: "1%"), default: "0", "of the nodes"),
            Field("factor", \.factor, .ratio(0...1e6, example: "20"), default: "1", "their rate over the others'"),
            Field(
                "screened_above", \.screenedAbove, .integer(0...100_000_000, example: 1024), default: "none",
                "jobs of more GPUs are free of them"),
            Field("mean", \.mean, .choice, default: "raised", "whether they raise the mean rate, or it is kept"),
        ])
        let spareCount = Kind<Int>.integer(0...1_000_000, example: 16).map { SparesDraft(warm: $0) }
        // One time for all that a restart is.
        let wholeRestart = WeeksKinds.law.map {
            RestartDraft(requeue: $0, initialise: DurationLaw.none, load: .some(.some(.zero)), warmUp: nil)
        }
        let restartParts = restart.kind(RestartDraft(), name: "{requeue, initialise, load, warm_up}")
        let restartKind = Kind<RestartDraft>(
            "a duration, or \(restartParts.name)", example: "5 min", children: restartParts.children
        ) { item, reader in
            guard let entries = item.tree.entries, !entries.contains(where: { ["median", "p95", "mean", "from", "to"].contains($0.key) })
            else { return wholeRestart.read(item, &reader) }
            return restartParts.read(item, &reader)
        }
        return Section(
            shortFields + [
                Field("preset", \.preset, preset, default: "none", "failures of a published fleet (orrery catalogue failures)"),
                Field(
                    "causes", \.causes, .list(of: cause, atMost: 1000), default: "none", "kinds of failures, laid over the preset's by name"
                ),
                Field(
                    "lemons", \.lemons, lemons.kind(LemonsDraft(), name: "{share, factor, screened_above, mean}"), default: "none",
                    "nodes that fail more often"),
                Field("during_recovery", \.duringRecovery, .flag, default: "true", "failures also strike while the run recovers"),
                Field(
                    "spares", \.spares, spares.kind(SparesDraft(), name: "{warm, cold, start, crews}").abbreviated(by: spareCount),
                    default: "a node is always at hand", "nodes that stand by"),
                Field(
                    "restart", \.restart, restartKind, default: "assumed",
                    "what has to happen before training goes on; one time stands for all parts"),
            ])
    }

    private static var preset: Kind<FailurePreset> {
        Kind("name of a fleet", example: "llama3-2024") { item, reader in
            guard let text = item.scalar("the name of a fleet", example: "llama3-2024", &reader) else { return nil }
            if let preset = FailurePreset.named(text) { return preset }
            reader.report(
                item, "\(item.text) is not the name of a fleet that is known", suggestion(for: text, in: FailurePreset.all.map(\.name)))
            return nil
        }
    }

    /// `none`, a preset's name, or a mapping.
    static var kind: Kind<FailuresSpec?> {
        let section = section
        return Kind<FailuresSpec?>("none, a preset's name, or {preset, causes, ...}", example: "none", children: section.entries) {
            item, reader in
            if case .scalar("none", _) = item.tree.content { return .some(nil) }
            if case .scalar = item.tree.content { return preset.read(item, &reader).map { FailuresSpec($0) } }
            let before = reader.errors.count
            var draft = Draft()
            section.read(item, into: &draft, &reader)
            var spec = draft.preset.map { FailuresSpec($0) } ?? FailuresSpec()
            addShort(draft.short, item, to: &spec.causes, &reader)
            let places = item.tree["causes"].map { item.child($0) }
            for (index, cause) in draft.causes.enumerated() {
                guard case .sequence(let trees)? = places?.tree.content, index < trees.count, let places else { continue }
                merge(cause, places.element(index, trees[index]), into: &spec.causes, &reader)
            }
            guard reader.errors.count == before else { return nil }
            if spec.causes.isEmpty {
                reader.report(
                    item, "there is nothing that fails", "name a preset, or give gpu_mtbf: 50000 h, or causes: [{name: node, mtbf: 100 d}]")
                return nil
            }
            finish(draft, &spec)
            if let index = spec.causes.firstIndex(where: { $0.isFoundByMonitor && $0.isSilent && $0.shows == nil }) {
                reader.report(
                    item, "\(spec.causes[index].name) is silent, and nothing says what a monitor would see of it",
                    "write shows: 5% with the cause, or a time in place of monitor")
                return nil
            }
            return spec
        }
    }

    /// Causes of the short form; those of the long form are laid over them by name.
    private static func addShort(_ short: ShortDraft, _ item: Item, to causes: inout [FailureCause], _ reader: inout Reader) {
        for (key, name, per, mtbf) in short.causes {
            guard mtbf.nanoseconds > 0 else {
                let place = item.tree[key].map { $0.place } ?? item.tree.place
                reader.report(place, "\(item.path).\(key)", "an MTBF of zero is impossible", "write a time above zero")
                continue
            }
            causes.removeAll { $0.name == name }
            var cause = FailureCause(name, per: per, mtbf: mtbf.inSeconds)
            cause.repair = .constant(86_400)
            cause.source = "scenario"
            causes.append(cause)
        }
    }

    private static func finish(_ draft: Draft, _ spec: inout FailuresSpec) {
        let own = Set(draft.causes.filter { $0.detect != nil }.compactMap(\.name))
        let repaired = Set(draft.causes.filter { $0.repair != nil }.compactMap(\.name))
        for index in spec.causes.indices {
            let cause = spec.causes[index]
            if let detect = draft.short.detect, !cause.isSilent, !own.contains(cause.name) { spec.causes[index].found(detect) }
            if let repair = draft.short.repair, cause.strikes != .job, !repaired.contains(cause.name) { spec.causes[index].repair = repair }
        }
        if let lemons = draft.lemons {
            spec.lemons = Lemons(
                share: lemons.share, factor: lemons.factor, screenedAbove: lemons.screenedAbove, keepsMean: lemons.mean == .kept)
        }
        spec.duringRecovery = draft.duringRecovery ?? true
        if let spares = draft.spares {
            spec.spares = Spares(warm: spares.warm, cold: spares.cold, start: spares.start?.inSeconds ?? 600, crews: spares.crews)
        }
        guard let restart = draft.restart else { return }
        spec.requeue = restart.requeue ?? spec.requeue
        spec.initialise = restart.initialise ?? spec.initialise
        if let load = restart.load { spec.load = load?.inSeconds }
        spec.warmUp = restart.warmUp ?? 0
    }

    private static func merge(_ draft: CauseDraft, _ item: Item, into causes: inout [FailureCause], _ reader: inout Reader) {
        guard let name = draft.name else {
            reader.report(item.tree.place, "\(item.path).name", "the key is missing", "write name: gpu")
            return
        }
        let index = causes.firstIndex { $0.name == name }
        let per = draft.per ?? index.map { causes[$0].per } ?? .node
        var isTrace = false
        if case .trace? = draft.law { isTrace = true }
        if draft.mtbf != nil, draft.rate != nil {
            reader.report(item, "both mtbf and per_1000_node_days are given", "remove one of the two")
            return
        }
        if draft.mtbf == nil, draft.rate == nil, index == nil, !isTrace {
            reader.report(item.tree.place, "\(item.path).mtbf", "the key is missing", "write mtbf: 60000 h, or per_1000_node_days: 6.5")
            return
        }
        if let mtbf = draft.mtbf, mtbf.nanoseconds <= 0 {
            reader.report(item, "an MTBF of zero is impossible", "write a time above zero")
            return
        }
        var cause = index.map { causes[$0] } ?? FailureCause(name, per: per, mtbf: .infinity)
        if draft.per != nil, index != nil { cause.per = per }
        if index == nil { cause.repair = .constant(cause.strikes == .job ? 0 : 86_400) }
        if let mtbf = draft.mtbf { cause.mtbf = mtbf.inSeconds }
        if let rate = draft.rate { cause.mtbf = FailureCause.mtbf(per1000NodeDays: rate) }
        if let strikes = draft.strikes {
            cause.strikes = strikes
            if index == nil { cause.repair = .constant(strikes == .job ? 0 : 86_400) }
        }
        cause.law = draft.law ?? cause.law
        cause.isSilent = draft.isSilent ?? cause.isSilent
        if let detect = draft.detect { cause.found(detect) }
        cause.shows = draft.shows ?? cause.shows
        cause.diagnose = draft.diagnose ?? cause.diagnose
        cause.repair = draft.repair ?? cause.repair
        cause.restart = draft.restart ?? cause.restart
        cause.memoryLost = draft.memoryLost ?? cause.memoryLost
        cause.renewal = draft.renewal ?? cause.renewal
        cause.source = "scenario"
        if let index { causes[index] = cause } else { causes.append(cause) }
    }
}

extension FailureCause {
    fileprivate mutating func found(_ detection: WeeksKinds.Detection) {
        switch detection {
        case .law(let law): (detect, isFoundByMonitor) = (law, false)
        case .monitor: isFoundByMonitor = true
        }
    }
}
