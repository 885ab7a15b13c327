import Cluster
import Plan
import Quantities

/// A plan made from a scenario, with what was chosen for it.
public struct ResolvedRun: Sendable {
    public var plan: RunPlan
    public var account: IntervalAccount
    /// Seconds of a healthy step.
    public var step: Double
    public var samplesPerS: Double
    /// The batch of a healthy step.
    public var samplesPerStep: Double
    public var remarks: [String]
    /// What watches the run; nil where nothing does.
    public var monitor: MonitorModel?
    /// A statement, its value and where it comes from.
    public var assumptions: [(subject: String, value: String, source: String)]

    /// What prices decide.
    public struct Prices: Sendable, Hashable {
        /// Of a checkpoint beside its time, in seconds of the run's price.
        public var checkpoint = 0.0
        /// An on-demand node over a spot node.
        public var onDemand = 1.0
        public init() {}
    }

    /// - Parameters:
    ///   - pace: step time of the whole run over the healthy one when machines are slow by this factor.
    /// - Throws: `Fault` for a run that cannot be, with the key at fault.
    public init(
        _ spec: WeeksSpec, job: Job, stepS: Double, pace: (Double) throws(Fault) -> Double, prices: Prices = Prices()
    ) throws(Fault) {
        remarks = []
        assumptions = []
        let cluster = job.cluster
        var fleet = Fleet(nodes: cluster.nodes, gpusPerNode: cluster.gpusPerNode)
        fleet.gpusPerDomain = cluster.domain
        fleet.nicsPerNode = cluster.interNode?.nicsPerNode ?? cluster.gpusPerNode
        if let between = cluster.interNode { fleet.take(between) }
        // With a measured table of paces the healthy step is the one of most nodes.
        let table = spec.elastic?.pace ?? []
        let most = spec.elastic?.most ?? cluster.nodes
        let fastest = table.filter { $0.nodes <= most }.map(\.samplesPerS).max()
        samplesPerS = fastest ?? Double(job.training.globalBatch) / stepS
        samplesPerStep = Double(job.training.globalBatch)
        step = fastest.map { Double(job.training.globalBatch) / $0 } ?? stepS
        plan = RunPlan(fleet: fleet, goal: spec.duration.map { .duration($0) } ?? .work(Double(job.steps) * step))
        // A table of paces counts samples, not steps.
        plan.step = table.isEmpty ? step : 0
        account = IntervalAccount(plan)
        let size = CheckpointSize(job)
        if spec.monitor != nil || spec.asksMonitor {
            monitor = MonitorModel(spec.monitor ?? MonitorSpec(), gpus: cluster.gpus)
            if spec.monitor == nil {
                assume(
                    "monitor", "three cumulative sums, 0.2 false alarms a day",
                    "assumed: something is found by a monitor, and none is given")
            }
        }
        if let failures = spec.failures { try apply(failures, size, nodes: cluster.nodes) }
        plan.maintenance = spec.maintenance ?? spec.failures?.maintenance
        for slow in spec.slow {
            let rate = slow.ratePer1000GPUDays * Double(cluster.gpus) / 86_400_000
            plan.slow.append(
                SlowPlan(
                    rate: rate, share: slow.share, pace: try pace(slow.slowdown), lasts: slow.lasts,
                    evictAfter: slow.evicts ? detection(slow) : nil))
        }
        if let monitor, monitor.spec.reaction == .replace {
            var alarm = FailureCause(
                "false_alarm", per: .job, mtbf: 86_400 / monitor.falseAlarmsPerDay, strikes: .node, repair: .constant(600))
            alarm.source = "the monitor's false alarms"
            plan.causes.append(alarm)
        }
        try applyCapacity(spec, job: job)
        if spec.spot?.fallsBack == true { plan.capacity?.onDemand = .init(relativePrice: prices.onDemand) }
        try apply(spec.checkpoint, size, prices.checkpoint)
        try plan.check()
    }

    private func detection(_ slow: SlowSpec) -> DurationLaw {
        switch slow.found {
        case .after(let law): law
        case .byMonitor: monitor?.law(shows: slow.slowdown - 1) ?? .none
        }
    }

    private mutating func apply(_ failures: FailuresSpec, _ size: CheckpointSize, nodes: Int) throws(Fault) {
        plan.causes = failures.causes
        if let monitor {
            // Causes that show alike share their law.
            var known: [Double: DurationLaw] = [:]
            for index in plan.causes.indices where plan.causes[index].isFoundByMonitor {
                let shows = plan.causes[index].shows ?? 1
                let law = known[shows] ?? monitor.law(shows: shows)
                known[shows] = law
                plan.causes[index].detect = law
            }
        }
        plan.lemons = failures.lemons
        plan.failsDuringRecovery = failures.duringRecovery
        let preset = failures.preset.flatMap { FailurePreset.named($0) }
        plan.spares = failures.spares ?? preset?.spares(for: nodes)
        if let spares = failures.spares, spares.warm + spares.cold > nodes {
            throw Fault(
                keyPath: "conditions.failures.spares", reason: "\(spares.warm + spares.cold) spares stand by for \(nodes) nodes",
                suggestion: "write \(nodes) or fewer")
        }
        plan.restart.requeue = failures.requeue ?? .constant(240)
        plan.restart.initialise = failures.initialise ?? .constant(30 + 0.01 * Double(nodes))
        plan.restart.load = failures.load ?? size.loadTime
        plan.restart.loadFromMemory = min(plan.restart.load, size.peerCopyTime())
        plan.restart.warmUp = failures.warmUp * step
        if failures.requeue == nil { assume("restart.requeue", "4 min", "assumed; Kokolis et al. 2025 report restarts of 5 to 20 min") }
        if failures.initialise == nil {
            assume("restart.initialise", "30 s and 10 ms a node", "assumed: process groups grow with the nodes")
        }
        if failures.load == nil {
            assume(
                "restart.load", "\(significant(size.loadTime)) s",
                "\(significant(size.bytes / 1e12)) TB of state over the storage's read bandwidth")
        }
        if let preset {
            assume("conditions.failures", preset.name, preset.source)
            assume("conditions.failures, beside", preset.assumed, "assumed")
            if preset.nodes != nodes, preset.causes.contains(where: { $0.per == .job }) {
                remarks.append(
                    "conditions.failures: \(preset.name) counts failures of the whole job on \(preset.gpus) GPUs; nobody says how they change with the size"
                )
            }
        }
        if plan.spares == nil {
            assume("conditions.failures.spares", "a node is always at hand", "no spares are given, so none is waited for")
        }
    }

    private mutating func assume(_ subject: String, _ value: String, _ source: String) { assumptions.append((subject, value, source)) }

    // MARK: Checkpoints

    private mutating func apply(_ given: CheckpointSpec?, _ size: CheckpointSize, _ price: Double) throws(Fault) {
        var spec = given ?? CheckpointSpec()
        if given == nil {
            // Nothing asked for: failures without checkpoints would start every run again, which nobody does.
            if plan.causes.isEmpty, plan.capacity == nil { spec.kind = .none }
            if spec.kind != .none { remarks.append("conditions.checkpoint is not given: sharded, at the best interval") }
        }
        var checkpoint = CheckpointPlan()
        checkpoint.losesWork = spec.losesWork
        checkpoint.keep = spec.keep
        checkpoint.endsWithOne = spec.endsWithOne
        defer { account = IntervalAccount(plan) }
        guard spec.kind != .none else {
            checkpoint.endsWithOne = false
            plan.checkpoint = checkpoint
            return
        }
        let whole = size.writeTime(byOneReplica: spec.kind == .full)
        switch spec.kind {
        case .full, .sharded, .none:
            checkpoint.stall = spec.stall ?? whole
            checkpoint.write = spec.write ?? 0
        case .async:
            checkpoint.stall = spec.stall ?? size.snapshotTime
            checkpoint.write = spec.write ?? whole
        case .memory:
            checkpoint.stall = spec.stall ?? size.peerCopyTime()
            checkpoint.minorIsInMemory = true
            checkpoint.major = .init(every: spec.every ?? 12, stall: spec.everyStall ?? whole)
        case .incremental:
            let changed = spec.changed ?? 1
            checkpoint.stall = spec.stall ?? whole * changed
            checkpoint.write = spec.write ?? 0
            checkpoint.major = .init(every: spec.every ?? 10, stall: spec.everyStall ?? whole, write: checkpoint.write)
            if spec.changed == nil {
                assume("checkpoint.changed", "100 %", "every optimizer step changes nearly every block; give a measured share")
            }
        }
        checkpoint.slowdown = spec.slowdown ?? 0
        if spec.stall == nil {
            assume(
                "checkpoint.stall", "\(significant(checkpoint.stall)) s",
                "\(significant(size.bytes / 1e12)) TB of state over the bandwidth of storage, nodes or hosts (docs/weeks.md)")
        }
        checkpoint.interval = 3600
        plan.checkpoint = checkpoint
        var account = IntervalAccount(plan)
        account.priceOfOne = price
        switch spec.interval {
        case .seconds(let seconds): checkpoint.interval = seconds
        case .steps(let steps): checkpoint.interval = Double(steps) * step
        case .auto:
            checkpoint.interval = account.best
            if !plan.mttf.isFinite, plan.capacity != nil {
                checkpoint.interval = 1800
                remarks.append("conditions.checkpoint.interval: auto needs a rate of failures; 30 min is taken beside spot nodes alone")
            }
        }
        if checkpoint.write > checkpoint.interval {
            remarks.append(
                "conditions.checkpoint: a write takes \(significant(checkpoint.write)) s, longer than the interval; the next one waits for it"
            )
        }
        plan.checkpoint = checkpoint
    }

    // MARK: Nodes that come and go

    private mutating func applyCapacity(_ spec: WeeksSpec, job: Job) throws(Fault) {
        guard spec.spot != nil || spec.elastic != nil else { return }
        let most = spec.elastic?.most ?? job.cluster.nodes
        var pace = PaceTable(rigid: most)
        let isElastic = spec.elastic.map { $0.policy != .wait } ?? false
        if let elastic = spec.elastic, isElastic {
            if elastic.policy == .planner, elastic.pace.isEmpty {
                remarks.append("conditions.elastic: without a table of paces the planner's layouts are those of fewer replicas")
            }
            let rows =
                elastic.pace.isEmpty
                ? replicaPaces(job, from: elastic.least, to: most)
                : elastic.pace.map { (nodes: $0.nodes, pace: $0.samplesPerS / samplesPerS) }
            pace = try PaceTable(rows.filter { $0.nodes >= elastic.least }, most: most)
        }
        let source: CapacityPlan.Source
        if let spot = spec.spot {
            if let trace = spot.trace {
                source = .trace(trace)
            } else if let fit = spot.fit {
                source = .market(try SpotMarket(fitting: fit, nodes: most))
            } else {
                guard spot.preemptionPerHour > 0 else {
                    throw Fault(
                        keyPath: "conditions.spot", reason: "neither a rate of preemptions nor a trace is given",
                        suggestion: "write preemption_per_hour: 5%, or trace: nodes.csv")
                }
                var market = SpotMarket(
                    nodes: most, preemptionsPerNodeHour: spot.preemptionPerHour, batch: spot.batch, outage: spot.outage)
                if let sizes = spot.batchSizes { market.sizes = sizes }
                source = .market(market)
            }
        } else {
            source = .fleet
        }
        var capacity = CapacityPlan(source: source, pace: pace, most: most)
        if isElastic { capacity.resize = spec.elastic?.resize ?? NodeTable(constant: plan.restart.mean > 0 ? plan.restart.mean : 60) }
        if let spot = spec.spot {
            capacity.notice = spot.notice
            capacity.startsAtRandom = spot.startsAtRandom
            capacity.price = spot.price
        }
        plan.capacity = capacity
        if plan.restart.mean == 0, spec.failures == nil {
            plan.restart.requeue = .constant(60)
            plan.restart.load = CheckpointSize(job).loadTime
            assume("restart", "60 s and the load of the state", "assumed: conditions.failures gives no restart")
        }
        plan.fleet.nodes = most
    }

    /// The pace of fewer whole replicas: each computes its share of the same batch, so work goes in proportion to their number.
    private func replicaPaces(_ job: Job, from least: Int, to most: Int) -> [(nodes: Int, pace: Double)] {
        let gpusOfReplica = max(1, job.cluster.gpus / max(1, job.data))
        let replicas = max(1, most * job.cluster.gpusPerNode / gpusOfReplica)
        return (max(1, least)...max(least, most)).compactMap { nodes in
            let count = nodes * job.cluster.gpusPerNode / gpusOfReplica
            return count > 0 ? (nodes, Double(count) / Double(replicas)) : nil
        }
    }
}
