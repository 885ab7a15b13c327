import Foundation
import Lifetime
import Scenario
import Studies
import Testing

/// Each form of the public contract of runs of weeks, as people write it.
@Suite("Forms of a run of weeks")
struct WeeksContractTests {
    private static let base = """
        model: {preset: llama3-8b}
        cluster: {gpu: h100-sxm-80gb, gpus: 256, inter_node: {link: ib-ndr-400g, nics_per_node: 8}}
        layout: {tensor: 2, zero: 1}
        training: {global_batch: 512, micro_batch: 1, sequence: 8192, recompute: selective, steps: 20000}
        prices: {gpu_hour: 2.00 USD/h, spot_gpu_hour: 0.70 USD/h}

        """

    private func answer(_ text: String, samples: Int = 100) throws -> RunAnswer {
        var scenario = try Scenario.load(yaml: Self.base + text, file: "weeks.yaml")
        scenario.settings.timeline = false
        scenario.runSamples = samples
        return try Study.shipped().run(scenario)
    }

    private func outcome(_ text: String, samples: Int = 100) throws -> RunOutcome {
        try #require(try answer(text, samples: samples).outcome)
    }

    @Test("The short form of failures: mean times of GPUs, nodes and switches, one detection, one restart, spares")
    func short() throws {
        let outcome = try outcome(
            """
            conditions:
              failures: {gpu_mtbf: 5000 h, node_mtbf: 20000 h, switch_mtbf: 30000 h, detect: 60 s, restart: 5 min, spares: 8}
              checkpoint: {interval: 100 steps, kind: sharded}

            """, samples: 400)
        // 256 GPUs, 32 nodes, and 8 leaf switches (a plane for each port, 32 ports down): failures an hour.
        let rate = 256.0 / 5000 + 32.0 / 20_000 + 8.0 / 30_000
        #expect(abs(outcome.study.plan.failureRate * 3600 / rate - 1) < 1e-9)
        #expect(outcome.study.plan.causes.map(\.name) == ["gpu", "node", "switch"])
        #expect(outcome.study.plan.causes.map(\.detect) == Array(repeating: .constant(60), count: 3))
        #expect(outcome.study.plan.spares?.warm == 8)
        // Every failure that is not hit by the next before its restart ends costs 60 s and 5 min.
        let lost = Dictionary(uniqueKeysWithValues: outcome.lostS.map { ($0.name, $0.seconds.mean) })
        let count = outcome.interruptions.mean
        #expect(abs((lost["failures"] ?? 0) / count / 60 - 1) < 0.01)
        #expect(abs((lost["restarts"] ?? 0) / count / 300 - 1) < 0.02)
    }

    @Test("Short and long forms lie over each other: one detection for all causes that give none, causes by name")
    func mixed() throws {
        let outcome = try outcome(
            """
            conditions:
              failures:
                preset: llama3-2024
                gpu_mtbf: 40000 h
                detect: 10 s
                causes: [{name: gpu, detect: 20 s}, {name: nic, detect: {median: 1 min, p95: 5 min}}]
                restart: {median: 3 min, p95: 10 min}

            """)
        let causes = Dictionary(uniqueKeysWithValues: outcome.study.plan.causes.map { ($0.name, $0) })
        #expect(causes["gpu"]?.detect == .constant(20))
        #expect(causes["software"]?.detect == .constant(10))
        #expect(causes["nic"]?.detect == .lognormal(median: 60, p95: 300))
        #expect(causes["silent_data_corruption"]?.detect != .constant(10))
        #expect(outcome.study.plan.restart.requeue == .lognormal(median: 180, p95: 600))
        #expect(outcome.study.plan.restart.load == 0)
    }

    @Test(
        "Every way to write the rest of the conditions is read and played",
        arguments: [
            "failures: none", "failures: llama3-2024", "failures: {preset: rsc-1, lemons: {share: 1%, factor: 20, screened_above: 1024}}",
            "failures: {node_mtbf: 100 d, lemons: {share: 1%, factor: 20, mean: kept}, spares: {warm: 2, cold: 2, start: 10 min}}",
            "failures: {node_mtbf: 100 d, during_recovery: false, restart: {requeue: 4 min, initialise: 1 min, load: auto, warm_up: 20}}",
            "failures: {causes: [{name: a, per: rack, mtbf: 365 d, distribution: {weibull: 0.7}, strikes: rack}]}",
            "failures: {causes: [{name: a, per: domain, mtbf: 365 d, distribution: {gamma: 2}}, {name: b, per: storage, mtbf: 90 d}]}",
            "failures: {causes: [{name: a, per: leaf, mtbf: 365 d, distribution: {lognormal: 1.5}}, {name: b, per: nic, mtbf: 9 years}]}",
            "failures: {causes: [{name: a, per: gpu, per_1000_node_days: 6.5, strikes: gpu, detect: monitor, repair: 24 h}]}",
            "failures: {causes: [{name: a, per: job, mtbf: 3 d, silent: true, detect: {median: 10 min, p95: 2 h}}]}",
            "failures: {causes: [{name: a, per: job, mtbf: 3 d, silent: true, detect: monitor, shows: 10%}]}",
            "checkpoint: {kind: full, interval: 30 min}", "checkpoint: {kind: sharded, interval: 500 steps, keep: 3}",
            "checkpoint: {kind: async, interval: auto, stall: auto, write: auto}", "checkpoint: {kind: memory, interval: 10 min}",
            "checkpoint: {kind: incremental, interval: auto, changed: 30%}", "checkpoint: {kind: incremental, changed: measured}",
            "checkpoint: async", "checkpoint: 30 min", "checkpoint: auto", "checkpoint: {kind: none}", "checkpoint: {lost_work: false}",
            "slow: {rate_per_1000_gpu_days: 2, slowdown: 1.2, lasts: 6 h, evict: true}",
            "slow: {rate_per_1000_gpu_days: 2, slowdown: 1.1, lasts: forever, evict: true, detect: monitor}",
            "maintenance: {every: 1 d, lasts: 4 h}", "spot: {preemption_per_hour: 5%, notice: 120 s, autoscale: true}",
            "spot: {preemption_per_hour: 1%, batch: 4, notice: 120 s, price: constant, fall_back: wait}",
            "spot: {preemption_per_hour: 1%, price: {mean: 1, volatility: 20%, reversion: 0.5}, fall_back: on_demand}",
            "elastic: {nodes: [16, 32], policy: replicas, resize: 60 s}", "elastic: {nodes: [16, 32], policy: planner}",
            "elastic: {policy: wait}", "monitor: {detectors: [cusum, change_point], metrics: default, period: 1 s}",
        ])
    func form(line: String) throws {
        let needs = ["failures", "spot", "elastic"].contains { line.hasPrefix($0) } ? "" : "  failures: {node_mtbf: 100 d}\n"
        let answer = try answer("conditions:\n\(needs)  \(line)\n", samples: 8)
        #expect(answer.neverEnds == nil)
        if line != "failures: none" {
            let outcome = try #require(answer.outcome)
            #expect(outcome.goodput.mean > 0.05 && outcome.goodput.mean <= 1)
        }
    }

    @Test("The result has every member of the contract")
    func members() throws {
        let json = try answer(
            """
            conditions:
              failures: {gpu_mtbf: 5000 h, detect: monitor, restart: 5 min, spares: 8}
              checkpoint: {interval: auto}
            monitor: {metrics: [gpu_utilization_ratio, step_time_seconds], period: 1 s}

            """
        ).json()
        let run = [
            "steps", "tokens", "wall_clock_s", "ideal_s", "goodput", "lost_s", "failures", "detection", "diagnosis", "restarts",
            "recomputed", "checkpoints", "waiting", "degraded", "preemptions", "maintenance", "resizing", "interruptions", "total",
            "by_cause", "mttf_s", "checkpoint_interval_s", "checkpoint_interval_young_s", "checkpoint_interval_daly_s",
            "spares_used_peak", "samples_trained", "by_cause_usd", "monitor", "false_alarms_per_day", "delays",
        ]
        for key in run { #expect(json.contains("\"\(key)\""), "\(key)") }
    }

    @Test("What a monitor finds, it finds in seconds; over 300 metrics of such a run have a value")
    func monitored() throws {
        let answer = try answer(
            """
            conditions:
              failures: {preset: llama3-2024, detect: monitor, spares: 8}
              checkpoint: {interval: 15 min}
            monitor: default

            """)
        let outcome = try #require(answer.outcome)
        let found = outcome.study.plan.causes.filter { !$0.isSilent }
        #expect(found.allSatisfy { $0.detect.mean <= 3 && $0.detect.mean >= 1 })
        let values = MetricSource(
            step: answer.result, job: answer.job, run: answer.run, bill: answer.bill, outcome: answer.outcome
        ).values
        #expect(values.count > 300)
        #expect(Set(values.map(\.metric.name)).count == values.count)
        let known = Dictionary(uniqueKeysWithValues: values.map { ($0.metric.name, $0.value) })
        let step = try #require(known["step_time_seconds"])
        let shares = Metric.all.filter { $0.name.hasSuffix("_seconds") }.map(\.name)
        #expect(shares.contains("forward_seconds"))
        // Parts of the step sum to it, parts of the run to its wall clock, parts of the memory to what is there.
        #expect(abs((known["tokens_per_second"] ?? 0) * step / (512 * 8192) - 1) < 1e-9)
        let time = TimePart.allCases.reduce(0) { $0 + (known["time_\($1.name)_seconds_total"] ?? 0) }
        #expect(abs(time / (known["run_wall_clock_seconds"] ?? 0) - 1) < 1e-9)
        #expect((known["gpu_power_watts"] ?? 0) > 300 && (known["gpu_power_watts"] ?? 0) <= 700)
    }

    @Test("What cannot be seen, named or meant is refused at its place")
    func refused() throws {
        func reason(_ text: String) -> String {
            do {
                _ = try Scenario.load(yaml: Self.base + text, file: "weeks.yaml")
                return ""
            } catch { return "\(error)" }
        }
        #expect(
            reason("conditions: {failures: {causes: [{name: a, per: job, mtbf: 3 d, silent: true, detect: monitor}]}}\n").contains("shows"))
        #expect(reason("conditions: {failures: {gpu_mtbf: 0 h}}\n").contains("conditions.failures.gpu_mtbf"))
        #expect(reason("conditions: {failures: {gpu_mtbf: 5 GB}}\n").contains("conditions.failures.gpu_mtbf"))
        #expect(reason("conditions: {failures: {detect: 5 s}}\n").contains("nothing that fails"))
        #expect(reason("monitor: {metrics: [gpu_utilisation]}\n").contains("gpu_utilization_ratio"))
        #expect(reason("monitor: {detectors: [cusums]}\n").contains("cusum"))
        #expect(reason("monitor: {period: 0 s}\n").contains("period: 1 s"))
    }
}
