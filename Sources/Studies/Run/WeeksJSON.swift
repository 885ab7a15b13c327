import Lifetime
import Quantities
import Simulation

extension RunOutcome {
    /// `run` of the result file, in place of an undisturbed run's.
    func runJSON(_ spread: (Distribution) -> JSONValue, tokensPerSample: Int) -> JSONValue {
        let causes = byCause
        let account = resolved.account
        let plan = study.plan
        return .object([
            ("steps", spread(steps)),
            ("tokens", spread(distribution { $0.work / resolved.step * resolved.samplesPerStep * Double(tokensPerSample) })),
            ("wall_clock_s", spread(wallClockS)), ("goodput", spread(goodput)), ("ideal_s", spread(idealS)),
            ("lost_s", .object(lostS.map { ($0.name, spread($0.seconds)) })),
            (
                "interruptions",
                .object([
                    ("total", spread(interruptions)), ("by_cause", .object(causes.map { ($0.name, spread($0.count)) })),
                    ("preemptions", spread(distribution { Double($0.preemptions) })),
                    ("resizes", spread(distribution { Double($0.resizes) })),
                    ("maintenance", spread(distribution { Double($0.maintenances) })),
                    ("evictions", spread(distribution { Double($0.evictions) })),
                ])
            ), ("mttf_s", .number(study.mttf)), ("mttf_expected_s", .number(plan.mttf)),
            ("checkpoint_interval_s", .number(plan.checkpoint.keptInterval(step: plan.step))),
            ("checkpoint_interval_young_s", .number(account.young)), ("checkpoint_interval_daly_s", .number(account.daly)),
            ("checkpoint_stall_s", .number(plan.checkpoint.stall)), ("checkpoint_write_s", .number(plan.checkpoint.write)),
            ("checkpoints", spread(distribution { Double($0.checkpointsWritten) })), ("spares_used_peak", spread(sparesPeak)),
            ("samples_trained", spread(samplesTrained)), ("samples", .integer(study.samples.count)),
            ("unfinished", .integer(study.unfinished)), ("tainted", .integer(study.tainted)),
        ])
    }

    /// `monitor` of the result file: what it watches, how soon it sees a machine that is slow by so much, and how it does on published faults.
    var monitorJSON: JSONValue? {
        guard let monitor = resolved.monitor else { return nil }
        let slowdowns = [0.02, 0.03, 0.05, 0.07, 0.1, 0.2, 0.5, 1]
        let (score, slow) = (monitor.score(.published), monitor.score(.slowMachines))
        func json(_ score: (precision: Double, recall: Double)) -> JSONValue {
            .object([("precision", .number(score.precision)), ("recall", .number(score.recall))])
        }
        return .object([
            ("period_s", .number(monitor.spec.period)), ("metrics", .integer(monitor.streams / max(1, monitor.gpus))),
            ("streams", .integer(monitor.streams)), ("detectors", .array(monitor.spec.detectors.map { .string($0.rawValue) })),
            ("false_alarms_per_day", .number(monitor.falseAlarmsPerDay)),
            (
                "delays",
                .array(
                    slowdowns.map { slowdown in
                        let delays = monitor.delays(shows: slowdown)
                        return .object([
                            ("slowdown", .number(1 + slowdown)), ("mean_s", delays.mean.isFinite ? .number(delays.mean) : .null),
                            ("p95_s", delays.p95.isFinite ? .number(delays.p95) : .null), ("missed", .number(delays.missed)),
                        ])
                    })
            ),
            (
                "curve",
                .array(
                    monitor.curve(shows: 0.1).map {
                        .object([
                            ("false_alarms_per_day", .number($0.falseAlarmsPerDay)),
                            ("mean_s", $0.delay.isFinite ? .number($0.delay) : .null),
                        ])
                    })
            ), ("faults_per_day", .number(FaultMix.published.perDay)), ("published_faults", json(score)), ("slow_machines", json(slow)),
        ])
    }

    /// Further members of `bill`.
    func billJSON(_ spread: (Distribution) -> JSONValue) -> [(key: String, value: JSONValue)] {
        [
            ("total_usd_spread", spread(totalUSD)), ("by_cause_usd", .object(byCauseUSD.map { ($0.name, spread($0.dollars)) })),
        ]
    }

    /// The events of sample 0, a JSON object a line.
    public func eventLines() -> String {
        study.events.map { event in
            JSONValue.object([
                ("time_s", .number(event.time)), ("event", .string(event.kind.rawValue)), ("cause", .string(event.cause)),
                ("node", event.node < 0 ? .null : .integer(event.node)), ("state", .string(event.state)), ("nodes", .integer(event.nodes)),
                ("steps_done", .number((event.work / resolved.step + 1e-6).rounded(.down))),
                ("cost_usd", .number(event.paid * dollarsPerNodeSecond)),
            ]).text(.compact) + "\n"
        }.joined()
    }
}
