import Lifetime
import Quantities

/// The keys of `conditions` that are about weeks: failures, checkpoints, slow machines, maintenance, spot nodes and changes of size.
enum WeeksSection {
    static var fields: [Field<WeeksSpec>] {
        [
            Field("failures", \.failures, FailuresSection.kind, default: "none", "what breaks, how often, and what happens then"),
            Field(
                "checkpoint", \.checkpoint, checkpoint, default: "sharded at the best interval where something fails",
                "what is saved, and how often"),
            Field("slow", \.slow, slow, default: "none", "machines that turn slow for a while or for good"),
            Field("maintenance", \.maintenance, maintenance, default: "none", "planned stops; the state is saved before"),
            Field("spot", \.spot, spot, default: "none", "nodes that the provider takes back"),
            Field("elastic", \.elastic, elastic, default: "none", "the run goes on with fewer or more nodes"),
            Field("monitor", \.monitor, MonitorSection.kind, default: "none", "what watches the machines; as the section monitor"),
        ]
    }

    // MARK: Checkpoints

    private struct CheckpointDraft {
        enum Changed { case measured, share(Double) }
        var kind: CheckpointSpec.Kind?
        var interval: CheckpointSpec.Interval?
        var stall: Duration??
        var write: Duration??
        var slowdown: Double?
        var changed: Changed?
        var every: Int?
        var everyStall: Duration?
        var keep: Int?
        var lostWork: Bool?
        var last: Bool?
    }

    private static var interval: Kind<CheckpointSpec.Interval> {
        Kind("auto, a duration, or so many steps", example: "30 min") { item, reader in
            guard let text = item.scalar("an interval", example: "30 min", &reader) else { return nil }
            if text == "auto" { return .auto }
            let words = text.split(separator: " ")
            if words.count == 2, words[1] == "steps" || words[1] == "step" {
                if let count = Int(words[0]), count > 0 { return .steps(count) }
                reader.report(item, "\(item.text) is not a number of steps", "write for instance 500 steps")
                return nil
            }
            guard let time = Kind<Duration>.quantity.read(item, &reader) else { return nil }
            guard time.nanoseconds > 0 else {
                reader.report(item, "an interval of zero is none", "write for instance 30 min, or kind: none")
                return nil
            }
            return .seconds(time.inSeconds)
        }
    }

    private static var checkpoint: Kind<CheckpointSpec?> {
        let changed = Kind<Double>.ratio(0...1, example: "30%").map { CheckpointDraft.Changed.share($0) }
        let changedOrMeasured = Kind<CheckpointDraft.Changed>("measured or \(changed.name)", example: "30%") { item, reader in
            if case .scalar("measured", _) = item.tree.content { return .measured }
            return changed.read(item, &reader)
        }
        let section = Section<CheckpointDraft>([
            Field(
                "kind", \.kind, .choice, default: "sharded",
                "who writes what: one replica, every GPU its share, beside training, to peers' memory, changed blocks only"),
            Field("interval", \.interval, interval, default: "auto", "work between two checkpoints; auto: the one of least cost"),
            Field(
                "stall", \.stall, Kind<Duration>.quantity.or("auto"), default: "auto",
                "time that training stands still for one; auto: size over bandwidth"),
            Field("write", \.write, Kind<Duration>.quantity.or("auto"), default: "auto", "time after the stall until it holds (async)"),
            Field(
                "slowdown", \.slowdown, .ratio(0...100, example: "5%"), default: "0", "by which training takes longer while one is written"),
            Field("changed", \.changed, changedOrMeasured, default: "measured", "share of the state in an increment"),
            Field(
                "every", \.every, .integer(1...1_000_000, example: 12), default: "12; 10 of increments",
                "so many copies in memory or increments to a full checkpoint in storage"),
            Field("every_stall", \.everyStall, .quantity, default: "size over bandwidth", "stall of those"),
            Field(
                "keep", \.keep, .integer(1...1_000_000_000, example: 3), default: "all",
                "checkpoints kept; older corruption starts the run again"),
            Field("lost_work", \.lostWork, .flag, default: "true", "false: a failure costs time and no work"),
            Field("last", \.last, .flag, default: "true", "the end of the run is saved too"),
        ])
        return Kind<CheckpointSpec?>(
            "a kind, an interval, or {kind, interval, stall, ...}", example: "{interval: auto}", children: section.entries
        ) {
            item, reader in
            if case .scalar(let word, _) = item.tree.content {
                var spec = CheckpointSpec()
                if let kind = CheckpointSpec.Kind(rawValue: word) {
                    spec.kind = kind
                } else {
                    guard let every = interval.read(item, &reader) else { return nil }
                    spec.interval = every
                }
                return spec
            }
            let before = reader.errors.count
            var draft = CheckpointDraft()
            section.read(item, into: &draft, &reader)
            guard reader.errors.count == before else { return nil }
            var spec = CheckpointSpec()
            // Work that is never lost needs no checkpoints, unless some are asked for.
            spec.kind = draft.kind ?? (draft.lostWork == false && draft.interval == nil ? .none : draft.write != nil ? .async : .sharded)
            spec.interval = draft.interval ?? .auto
            spec.stall = draft.stall.flatMap { $0?.inSeconds }
            spec.write = draft.write.flatMap { $0?.inSeconds }
            spec.slowdown = draft.slowdown
            if case .share(let share)? = draft.changed { spec.changed = share }
            spec.every = draft.every
            spec.everyStall = draft.everyStall?.inSeconds
            spec.keep = draft.keep
            spec.losesWork = draft.lostWork ?? true
            spec.endsWithOne = draft.last ?? true
            return spec
        }
    }

    // MARK: Slow machines and maintenance

    private static var forever: Kind<DurationLaw> {
        Kind("forever, or \(WeeksKinds.law.name)", example: "6 h", children: WeeksKinds.law.children) { item, reader in
            if case .scalar("forever", _) = item.tree.content { return .constant(.infinity) }
            return WeeksKinds.law.read(item, &reader)
        }
    }

    private static var found: Kind<SlowSpec.Found> {
        WeeksKinds.detection.map {
            switch $0 {
            case .law(let law): .after(law)
            case .monitor: .byMonitor
            }
        }
    }

    private static var slow: Kind<[SlowSpec]> {
        let section = Section<SlowSpec>([
            Field(
                "rate_per_1000_gpu_days", \.ratePer1000GPUDays, .ratio(0...1e9, example: "2"), default: "0",
                "onsets of a thousand GPUs in a day"),
            Field("share", \.share, .ratio(0...1, example: "0.5%"), default: "0", "of the nodes that are slow from the start"),
            Field(
                "slowdown", \.slowdown, .ratio(1...1000, example: "1.2"), default: "1", "compute of a slow GPU takes so many times as long"),
            Field("lasts", \.lasts, forever, default: "forever", "how long a machine is slow"),
            Field("evict", \.evicts, .flag, default: "false", "a found machine is replaced where that pays"),
            Field("detect", \.found, found, default: "10 min", "until it is found; monitor: as it sees it"),
        ])
        let one = section.kind(SlowSpec(), name: "{rate_per_1000_gpu_days, share, slowdown, lasts, evict, detect}")
        let many = Kind<[SlowSpec]>.list(of: one, atMost: 100)
        return Kind<[SlowSpec]>("none, \(one.name), or a list of them", example: one.example, children: section.entries) { item, reader in
            if case .scalar("none", _) = item.tree.content { return [] }
            if case .sequence = item.tree.content { return many.read(item, &reader) }
            return one.read(item, &reader).map { [$0] }
        }
    }

    private static var maintenance: Kind<Maintenance?> {
        struct Draft {
            var every: Duration?
            var lasts = Duration.zero
        }
        let section = Section<Draft>([
            Field("every", \.every, .quantity, default: "required", "from the start of one to the start of the next"),
            Field("lasts", \.lasts, .quantity, default: "0 s", "of one"),
        ])
        return Kind<Maintenance?>("none, or {every, lasts}", example: "{every: 14 d, lasts: 4 h}", children: section.entries) {
            item, reader in
            if case .scalar("none", _) = item.tree.content { return .some(nil) }
            let before = reader.errors.count
            var draft = Draft()
            section.read(item, into: &draft, &reader)
            guard reader.errors.count == before else { return nil }
            guard let every = draft.every, every > draft.lasts else {
                reader.report(item, "every must be given, and be longer than lasts", "write {every: 14 d, lasts: 4 h}")
                return nil
            }
            return Maintenance(every: every.inSeconds, lasts: draft.lasts.inSeconds)
        }
    }

    // MARK: Spot

    private struct SpotDraft {
        enum FallBack: String, CaseIterable { case wait, onDemand = "on_demand" }
        var rate: Double?
        var batch: Int?
        var outage: DurationLaw?
        var notice: Duration?
        var autoscales: Bool?
        var trace: CapacityTrace?
        var fit: CapacityTrace?
        var start: Start?
        var price: PricePlan?
        var fallBack: FallBack?
        enum Start: String, CaseIterable { case first, random }
    }

    private static var price: Kind<PricePlan> {
        struct Draft {
            var mean = 1.0
            var volatility = 0.0
            var reversion = 1.0
        }
        let section = Section<Draft>([
            Field("mean", \.mean, .ratio(0...1000, example: "1"), default: "1", "median over the price of prices"),
            Field("volatility", \.volatility, .ratio(0...10, example: "20%"), default: "0", "of the logarithm, for a square root of a day"),
            Field("reversion", \.reversion, .ratio(0...1000, example: "0.5"), default: "1", "rate of return to the mean, a day"),
        ])
        return Kind<PricePlan>("constant, {mean, volatility, reversion}, or a path", example: "constant", children: section.entries) {
            item, reader in
            guard case .scalar(let text, _) = item.tree.content else {
                return section.kind(Draft()).read(item, &reader).map {
                    .reverting(mean: $0.mean, volatility: $0.volatility, reversion: $0.reversion)
                }
            }
            if text == "constant" { return .constant }
            guard let table = WeeksFiles.table(text, columns: ["time_s", "price"], item, &reader) else { return nil }
            return .trace(times: table.column("time_s", or: 0), prices: table.column("price", or: 1))
        }
    }

    private static var spot: Kind<SpotSpec?> {
        let trace = Kind<CapacityTrace>("path", example: "nodes.csv") { item, reader in
            guard let text = item.scalar("a path", example: "nodes.csv", &reader) else { return nil }
            return WeeksFiles.capacity(text, item, &reader)
        }
        let section = Section<SpotDraft>([
            Field("preemption_per_hour", \.rate, .ratio(0...1000, example: "5%"), default: "or trace", "of each node"),
            Field(
                "batch", \.batch, .integer(1...1_000_000, example: 4), default: "1",
                "nodes taken at a time, by events at a batch-th of the rate"),
            Field("outage", \.outage, WeeksKinds.law, default: "1 h in the mean", "how long a batch is away"),
            Field("notice", \.notice, .quantity, default: "0 s", "warning; a checkpoint that fits in it saves the work"),
            Field(
                "autoscale", \.autoscales, .flag, default: "false",
                "short for elastic: {policy: replicas}: the run shrinks and grows with its nodes"),
            Field("trace", \.trace, trace, default: "none", "path of a trace: time_s,nodes, or as Parcae, Bamboo and SkyPilot write them"),
            Field(
                "fit", \.fit, trace, default: "none",
                "path of a trace in any of these forms whose rate, batches and absences the market has, in place of preemption_per_hour"),
            Field("start", \.start, .choice, default: "first", "where a sample begins in the trace"),
            Field("price", \.price, price, default: "constant", "over the price in prices"),
            Field("fall_back", \.fallBack, .choice, default: "wait", "what the run does without its nodes"),
        ])
        return Kind<SpotSpec?>("none, or {preemption_per_hour, trace, ...}", example: "none", children: section.entries) { item, reader in
            if case .scalar("none", _) = item.tree.content { return .some(nil) }
            let before = reader.errors.count
            var draft = SpotDraft()
            section.read(item, into: &draft, &reader)
            guard reader.errors.count == before else { return nil }
            var spec = SpotSpec()
            spec.preemptionPerHour = draft.rate ?? 0
            spec.batch = draft.batch ?? 1
            spec.outage = draft.outage ?? spec.outage
            spec.notice = draft.notice?.inSeconds ?? 0
            spec.autoscales = draft.autoscales ?? false
            spec.trace = draft.trace
            spec.fit = draft.fit
            if [draft.rate != nil, draft.trace != nil, draft.fit != nil].count(where: { $0 }) > 1 {
                reader.report(item, "preemptions are given in more than one way", "keep one of preemption_per_hour, trace and fit")
                return nil
            }
            spec.startsAtRandom = draft.start == .random
            spec.price = draft.price ?? .constant
            spec.fallsBack = draft.fallBack == .onDemand
            return spec
        }
    }

    // MARK: Elastic

    private struct ElasticDraft {
        var nodes: [Int]?
        var policy: ElasticSpec.Policy?
        var pace: [ElasticSpec.PaceRow]?
        var resize: NodeTable?
    }

    private static var elastic: Kind<ElasticSpec?> {
        let pace = Kind<[ElasticSpec.PaceRow]>("path", example: "pace.csv") { item, reader in
            guard let text = item.scalar("a path", example: "pace.csv", &reader) else { return nil }
            guard let table = WeeksFiles.table(text, columns: ["nodes", "samples_per_s"], item, &reader) else { return nil }
            let rows = zip(table.column("nodes", or: 0), table.column("samples_per_s", or: 1)).map {
                ElasticSpec.PaceRow(nodes: Int($0.rounded()), samplesPerS: $1)
            }
            if rows.contains(where: { $0.nodes < 1 || $0.samplesPerS < 0 }) {
                reader.report(item, "\(table.path): a pace on less than one node, or below zero", "mend the table")
                return nil
            }
            return rows
        }
        let resize = Kind<NodeTable>("a duration, or a path", example: "60 s") { item, reader in
            guard let text = item.scalar("a duration", example: "60 s", &reader) else { return nil }
            guard text.hasSuffix(".csv") else {
                return Kind<Duration>.quantity.read(item, &reader).map { NodeTable(constant: $0.inSeconds) }
            }
            guard let table = WeeksFiles.table(text, columns: ["nodes", "seconds"], item, &reader) else { return nil }
            do throws(Fault) {
                return try NodeTable(zip(table.column("nodes", or: 0), table.column("seconds", or: 1)).map { (nodes: $0, value: $1) })
            } catch {
                reader.report(item, "\(table.path): \(error.reason)", "mend the table")
                return nil
            }
        }
        let section = Section<ElasticDraft>([
            Field(
                "nodes", \.nodes, .list(of: .integer(1...10_000_000, example: 32), atMost: 2), default: "[1, all]",
                "fewest and most nodes that the run goes on with"),
            Field(
                "policy", \.policy, .choice, default: "replicas", "wait for all nodes, go on with fewer replicas, or with another layout"),
            Field(
                "pace", \.pace, pace, default: "the step model's",
                "path of measured paces: nodes,samples_per_s; the best layout of at most the nodes there are"),
            Field(
                "resize", \.resize, resize, default: "the restart",
                "until training goes on after a change: a duration, or a path of nodes,seconds"),
        ])
        return Kind<ElasticSpec?>("none, or {nodes, policy, pace, resize}", example: "none", children: section.entries) { item, reader in
            if case .scalar("none", _) = item.tree.content { return .some(nil) }
            let before = reader.errors.count
            var draft = ElasticDraft()
            section.read(item, into: &draft, &reader)
            guard reader.errors.count == before else { return nil }
            var spec = ElasticSpec()
            if let nodes = draft.nodes {
                guard nodes.count == 2, nodes[0] <= nodes[1] else {
                    reader.report(item, "nodes needs the fewest and the most", "write nodes: [32, 64]")
                    return nil
                }
                (spec.least, spec.most) = (nodes[0], nodes[1])
            }
            spec.policy = draft.policy ?? .replicas
            spec.pace = draft.pace ?? []
            spec.resize = draft.resize
            return spec
        }
    }
}
