import Lifetime
import Quantities

/// A published fact of a long run beside what is simulated for it.
struct Fact {
    enum Bound { case equal(Double, within: Double), atLeast(Double), atMost(Double), between(Double, Double) }
    var id: String
    var what: String
    var unit: String
    var published: Bound
    var simulated: Double
    /// 5th and 95th percentile over the samples.
    var low: Double
    var high: Double
    var remark: String

    var holds: Bool {
        switch published {
        case .equal(let value, let share): abs(simulated / value - 1) <= share
        case .atLeast(let value): simulated >= value
        case .atMost(let value): simulated <= value
        case .between(let low, let high): simulated >= low && simulated <= high
        }
    }

    var publishedText: String {
        switch published {
        case .equal(let value, _): significant(value, digits: 6)
        case .atLeast(let value): "> \(significant(value))"
        case .atMost(let value): "< \(significant(value))"
        case .between(let low, let high): "\(significant(low)) to \(significant(high))"
        }
    }
}

/// Every row of the table of facts that the simulation of runs can answer.
struct Facts {
    static let day = 86_400.0
    var samples: Int
    var rows: [Fact] = []

    private func study(_ plan: RunPlan, samples: Int? = nil) throws -> RunStudy {
        try RunStudy(plan, .init(samples: samples ?? self.samples, seed: 1, jobs: 2))
    }

    private mutating func add(
        _ id: String, _ what: String, _ unit: String, _ published: Fact.Bound, _ study: RunStudy, remark: String = "",
        _ figure: (RunSample) -> Double
    ) {
        let sorted = study.figures(figure).sorted()
        let last = Double(sorted.count - 1)
        rows.append(
            Fact(
                id: id, what: what, unit: unit, published: published, simulated: study.mean(figure), low: sorted[Int(0.05 * last)],
                high: sorted[Int((0.95 * last).rounded(.up))], remark: remark))
    }

    private mutating func add(_ id: String, _ what: String, _ unit: String, _ published: Fact.Bound, value: Double, remark: String = "") {
        rows.append(Fact(id: id, what: what, unit: unit, published: published, simulated: value, low: value, high: value, remark: remark))
    }

    private func preset(_ name: String, _ change: (inout RunPlan) -> Void = { _ in }) throws -> RunPlan {
        guard let preset = FailurePreset.named(name) else { throw Fault(reason: "there is no preset \(name)") }
        var plan = preset.publishedRun
        change(&plan)
        return plan
    }

    private static func effective(_ sample: RunSample) -> Double { sample.work / sample.wallClock }

    mutating func all(traces: String?) throws {
        try llama()
        try rsc()
        try others()
        try arithmetic()
        if let traces { try replays(traces) }
    }

    private mutating func llama() throws {
        let plan = try preset("llama3-2024")
        let run = try study(plan)
        let names = plan.causes.map(\.name)
        add("lt-001", "Llama 3, interruptions and planned stops", "", .equal(466, within: 3 * 21.6 / 466), run) {
            Double($0.interruptions + $0.maintenances)
        }
        add("lt-002", "Llama 3, unexpected interruptions", "", .equal(419, within: 3 * 20.5 / 419), run) { Double($0.interruptions) }
        add(
            "lt-003", "Llama 3, effective time", "", .between(0.9, 0.94), run,
            remark: "checkpoint 15 min, stall 5 s, restart 4 min assumed", Self.effective)
        if let corruption = names.firstIndex(of: "silent_data_corruption") {
            add("lt-006", "Llama 3, silent data corruption", "", .equal(6, within: 3 / 6.0.squareRoot()), run) {
                Double($0.byCause[corruption])
            }
        }
        let ofGPUs = names.indices.filter { names[$0].contains("gpu") }
        add("lt-005", "Llama 3, GPU, HBM, SRAM and processor", "%", .equal(58.7, within: 0.12), run) { sample in
            100 * Double(ofGPUs.reduce(0) { $0 + sample.byCause[$1] }) / Double(max(1, sample.interruptions))
        }
    }

    private mutating func rsc() throws {
        for (id, gpus, hours, within, days) in [
            ("lt-009", 8, 47.7 * 24, 0.25, 330.0), ("lt-010", 1024, 7.9, 0.25, 20), ("lt-011", 16_384, 1.8, 0.05, 20),
        ] {
            let run = try study(
                preset("rsc-1") {
                    $0.fleet.nodes = gpus / 8
                    $0.goal = .duration(days * Self.day)
                })
            add(id, "RSC-1, MTTF at \(gpus) GPUs", "h", .equal(hours, within: within), value: run.mttf / 3600)
        }
        for (id, name, rate) in [("lt-013", "rsc-1", 6.5), ("lt-014", "rsc-2", 2.34)] {
            let run = try study(preset(name) { $0.goal = .duration(20 * Self.day) })
            let nodeDays = Double(run.plan.fleet.nodes) * 20 / 1000
            add(id, "\(name), failures of 1,000 node-days", "", .equal(rate, within: 0.03), run) { Double($0.interruptions) / nodeDays }
        }
        let run = try study(
            preset("rsc-1") {
                $0.fleet.nodes = 384
                $0.goal = .work(30 * Self.day)
            })
        add(
            "lt-015", "RSC-1, ETTR at 3,072 GPUs, hourly checkpoints", "", .atLeast(0.9), run,
            remark: "over 0.9 published for 2,048 to 4,096", Self.effective)
        let first = 1 - 256 * 6.5 / 1000 / 24 * 35.0 / 60
        let exact = try study(
            preset("rsc-1") {
                $0.fleet.nodes = 256
                $0.goal = .work(30 * Self.day)
                $0.causes[0].detect = .constant(0)
            })
        add("lt-024", "ETTR by the first-order formula, 2,048 GPUs", "", .equal(first, within: 0.02), exact, Self.effective)
    }

    private mutating func others() throws {
        let megascale = try study(preset("megascale-2024"))
        add("lt-038", "MegaScale, restarts", "", .atLeast(98), megascale, remark: "6 weeks on 10,240 GPUs assumed") {
            Double($0.interruptions)
        }
        add("lt-042", "MegaScale, effective time", "", .atLeast(0.9), megascale, Self.effective)
        let byterobust = try study(preset("byterobust-2025"))
        add("lt-045", "ByteRobust, ETTR", "", .between(0.95, 0.985), byterobust, Self.effective)
        add("lt-047", "ByteRobust, incidents", "", .equal(175, within: 0.05), byterobust) { Double($0.interruptions) }
        for (id, nodes, spares) in [("lt-070", 128, 2.0), ("lt-076", 512, 3.0)] {
            var plan = try preset("byterobust-2025") {
                $0.fleet.nodes = nodes
                $0.goal = .duration(Self.day)
            }
            plan.causes.removeAll { $0.per == .job }
            let counts = try study(plan, samples: 20_000).figures { Double($0.interruptions) }.sorted()
            add(
                id, "standbys for 99 % of days, \(nodes) machines", "", .equal(spares, within: 0),
                value: counts[Int(0.99 * Double(counts.count))])
        }
        let opt = try study(
            preset("opt-2021") {
                $0.goal = .work(33 * Self.day)
                $0.spares = Spares(warm: 4)
            })
        add(
            "lt-106", "OPT-175B, days for 33 days of work", "d", .equal(56, within: 0.25), opt,
            remark: "4 spares, as at the start; with 12 it takes 44 days"
        ) { $0.wallClock / Self.day }
        add("lt-108", "OPT-175B, restarts", "", .equal(90, within: 0.25), opt) { Double($0.interruptions) }
        let bloom = try study(preset("bloom-2022"))
        add("lt-119", "BLOOM, checkpoint overhead", "%", .equal(0.38, within: 0.08), bloom) {
            100 * $0[.checkpoints] / ($0[.useful] + $0[.recomputed])
        }
        let dead = bloom.plan.causes.firstIndex { $0.name == "gpu_failure" } ?? 0
        add("lt-115", "BLOOM, dead GPUs a week", "", .equal(1, within: 0.1), bloom) { Double($0.byCause[dead]) / ($0.wallClock / 604_800) }
        var evaluated = RunPlan(fleet: Fleet(nodes: 48), goal: .work(100 * Self.day))
        evaluated.maintenance = Maintenance(every: 105_200 + 720, lasts: 720)
        add("lt-125", "BLOOM, evaluation", "%", .equal(0.7, within: 0.05), try study(evaluated)) { 100 * $0[.maintenance] / $0.wallClock }
        let glm = try study(preset("glm-130b"))
        add("lt-127", "GLM-130B, node failures", "", .equal(10, within: 0.1), glm) { Double($0.interruptions) }
        let blackwell = try study(preset("b200-2026") { $0.goal = .duration(55 * Self.day) })
        let xid = blackwell.plan.causes.firstIndex { $0.name == "gpu_xid" } ?? 0
        add("lt-138", "63 nodes of B200, GPU failures in 55 days", "", .equal(10, within: 0.1), blackwell) { Double($0.byCause[xid]) }
        var slow = RunPlan(fleet: Fleet(nodes: 1024), goal: .work(30 * Self.day))
        slow.slow = [SlowPlan(share: 0.005, pace: 1.1)]
        add(
            "lt-044", "MegaScale, slow machines: loss of a run of 8,192 GPUs", "%", .between(8, 10), try study(slow),
            remark: "10 % slower machines, 0.5 % of them"
        ) {
            100 * ($0.wallClock / $0.work - 1)
        }
    }

    private mutating func arithmetic() throws {
        var everyEighteen = RunPlan(fleet: Fleet(nodes: 12_500), goal: .duration(1000 * 1080))
        everyEighteen.causes = [FailureCause("failure", per: .job, mtbf: .infinity, law: .trace((0..<1000).map { Double($0) * 1080 + 1 }))]
        everyEighteen.checkpoint.losesWork = false
        everyEighteen.restart.requeue = .constant(600)
        add("lt-025", "100,000 GPUs, a stall of 10 min every 18", "%", .equal(44.4, within: 0.01), try study(everyEighteen)) {
            100 * $0.work / $0.wallClock
        }
        var air = RunPlan(fleet: Fleet(nodes: 4096), goal: .work(6144 * 3600))
        air.causes = [
            FailureCause("random", per: .node, mtbf: 100 * Self.day),
            FailureCause("systematic", per: .job, mtbf: 6144 * 3600 / (11_145.6 - 10_457)),
        ]
        air.failsDuringRecovery = false
        air.checkpoint.losesWork = false
        air.restart.requeue = .constant(1200)
        let run = try study(air, samples: 100)
        add("lt-203", "AIReSim's default, job time without lost work", "h", .equal(9865.97, within: 0.0025), run) { $0.wallClock / 3600 }
        add("lt-204", "AIReSim's default, random failures", "", .equal(10_457, within: 0.01), run) { Double($0.byCause[0]) }
        air.checkpoint = CheckpointPlan(interval: 900, stall: 30)
        add(
            "lt-203", "the same with the work that is lost, checkpoints every 15 min", "h", .atLeast(9866), try study(air, samples: 30),
            remark: "AIReSim does not count it"
        ) {
            $0.wallClock / 3600
        }
    }

    private mutating func replays(_ folder: String) throws {
        let targets: [(String, ideal: (String, Double), restart: (String, Double))] = [
            ("gpt-1.5b", ("lt-185", 1_506_024), ("lt-186", 1_192_650)), ("bert", ("lt-188", 18_585_498), ("lt-189", 14_700_529)),
        ]
        for (model, ideal, restarted) in targets {
            for (id, published, resizes) in [(ideal.0, ideal.1, false), (restarted.0, restarted.1, true)] {
                let samples = try SpotReplay(folder: folder).samples(model, resizes: resizes)
                add(
                    id, "\(model) on a trace of 32 spot nodes, \(resizes ? "restarts" : "no cost of changes")", "samples",
                    .equal(published, within: 0.001), value: samples)
            }
        }
    }
}
