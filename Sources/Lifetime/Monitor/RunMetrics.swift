import Plan
import Simulation

/// Metrics of a run of weeks.
extension Metric {
    static var jobMetrics: [Metric] {
        let shape: [(String, String, @Sendable (Job) -> Int)] = [
            ("gpus", "GPUs", { $0.cluster.gpus }), ("nodes", "nodes", { $0.cluster.nodes }),
            ("gpus_per_node", "GPUs of a node", { $0.cluster.gpusPerNode }),
            ("tensor_parallel_size", "ranks of a tensor-parallel group", { $0.layout.tensor }),
            ("pipeline_parallel_size", "pipeline stages", { $0.layout.pipeline }),
            ("context_parallel_size", "ranks of a context-parallel group", { $0.layout.context }),
            ("expert_parallel_size", "ranks of an expert-parallel group", { $0.layout.expert }),
            ("data_parallel_size", "replicas", { $0.data }), ("global_batch_size", "samples of a step", { $0.training.globalBatch }),
            ("micro_batch_size", "samples of a micro-batch", { $0.training.microBatch }),
            ("sequence_length", "tokens of a sample", { $0.tokensPerSample }),
        ]
        return shape.map { name, words, value in Metric("job_\(name)", "1", words) { Double(value($0.job)) } } + [
            Metric("model_parameters", "1", "trained parameters") { Double($0.job.model.parameters.trained) },
            Metric("model_active_parameters", "1", "parameters that a token meets") { Double($0.job.model.parameters.active) },
            Metric("job_micro_batches", "1", "micro-batches of a replica in a step") {
                Double($0.job.training.globalBatch) / Double(max(1, $0.job.data * $0.job.training.microBatch))
            },
        ]
    }

    static var moneyMetrics: [Metric] {
        func usd(_ name: String, _ words: String, _ value: @escaping @Sendable (MetricSource) -> Double) -> Metric {
            Metric("cost_\(name)", "USD", words) { $0.isEndless ? nil : value($0) }
        }
        return [
            usd("total_usd", "of the run") { $0.bill.totalUSD }, usd("compute_usd", "of its machines") { $0.bill.computeUSD },
            usd("energy_usd", "of its energy") { $0.bill.energyUSD }, usd("storage_usd", "of kept data") { $0.bill.storageUSD },
            usd("network_usd", "of the network") { $0.bill.networkUSD },
            Metric("cost_per_million_tokens_usd", "USD", "of a million tokens") { $0.bill.usdPerMillionTokens },
            Metric("cost_rate_usd_per_hour", "USD/h", "mean over the run") {
                $0.isEndless || $0.run.wallClockS <= 0 ? nil : $0.bill.totalUSD / $0.run.wallClockS * 3600
            },
            Metric("cost_per_step_usd", "USD", "of a step that counts") {
                $0.run.steps > 0 ? $0.bill.totalUSD / Double($0.run.steps) : nil
            },
            Metric("gpu_hours_total", "h", "GPU-hours of the run", kind: .counter) { $0.isEndless ? nil : $0.bill.gpuHours },
            Metric("energy_kwh_total", "kWh", "of the building over the run", kind: .counter) { $0.isEndless ? nil : $0.bill.energyKWh },
            Metric("carbon_kg_total", "kg", "of the run", kind: .counter) { $0.isEndless ? nil : $0.bill.carbonKg },
            Metric("facility_power_watts", "W", "of the building, mean over the run") {
                $0.isEndless || $0.run.wallClockS <= 0 ? nil : $0.bill.energyKWh * 3.6e6 / $0.run.wallClockS
            },
        ]
    }

    static var runMetrics: [Metric] {
        let spread: [(String, String, String, @Sendable (RunOutcome) -> Distribution)] = [
            ("wall_clock_seconds", "s", "wall clock of the run", { $0.wallClockS }), ("goodput_ratio", "1", "goodput", { $0.goodput }),
            ("interruptions", "1", "failures in the run", { $0.interruptions }),
            ("total_cost_usd", "USD", "cost of the run", { $0.totalUSD }),
            ("spares_used_peak", "1", "most nodes out at a time", { $0.sparesPeak }),
            ("checkpoints_written", "1", "checkpoints of the run", { $0.distribution { Double($0.checkpointsWritten) } }),
        ]
        let ends: [(String, @Sendable (Distribution) -> Double)] = [
            ("mean", { $0.mean }), ("p5", { $0.p5 }), ("p50", { $0.p50 }), ("p95", { $0.p95 }),
        ]
        let counts: [(String, String, @Sendable (RunSample) -> Int)] = [
            ("preemptions", "nodes taken back", { $0.preemptions }), ("resizes", "changes of size", { $0.resizes }),
            ("maintenances", "planned stops", { $0.maintenances }), ("evictions", "slow machines replaced", { $0.evictions }),
            ("restarts_from_start", "returns to step 0", { $0.startedOver }),
        ]
        return [
            Metric("run_steps_total", "1", "steps that count", kind: .counter) { Double($0.run.steps) },
            Metric("run_tokens_total", "1", "tokens trained on", kind: .counter) { $0.run.tokens },
            Metric("run_wall_clock_seconds", "s", "mean wall clock") { $0.run.wallClockS },
            Metric("run_goodput_ratio", "1", "useful time over wall clock") { $0.run.goodput },
            Metric("run_ideal_seconds", "s", "steps at their healthy pace") { $0.run.wallClockS * $0.run.goodput },
            Metric("run_effective_tokens_per_second", "1/s", "tokens over the wall clock") {
                $0.run.wallClockS > 0 ? $0.run.tokens / $0.run.wallClockS : nil
            },
            Metric("run_effective_mfu_ratio", "1", "MFU over the wall clock") { $0.step.step.mfu * $0.run.goodput },
            Metric("run_unfinished_ratio", "1", "samples that never end") { $0.outcome?.unfinishedShare },
            Metric("run_tainted_ratio", "1", "samples that end with a corruption nobody found") { source in
                source.outcome.map { Double($0.study.tainted) / Double(max(1, $0.study.samples.count)) }
            },
        ]
            + spread.flatMap { name, unit, words, figure in
                ends.map { end, part in
                    Metric("run_\(end)_\(name)", unit, "\(words): \(end)") { $0.outcome.map { part(figure($0)) } }
                }
            }
            + counts.map { name, words, figure in
                Metric("run_\(name)_total", "1", words, kind: .counter) { $0.outcome.map { $0.study.mean { Double(figure($0)) } } }
            }
    }

    /// A family for each part of a run's time.
    static var lostMetrics: [Metric] {
        TimePart.allCases.flatMap { part -> [Metric] in
            let words = part == .useful ? "useful time" : "time in \(part.name)"
            return [
                Metric("time_\(part.name)_seconds_total", "s", words, kind: .counter) { $0.outcome.map { $0.study.mean { $0[part] } } },
                Metric("time_\(part.name)_ratio", "1", "\(words) over the wall clock") { source in
                    source.outcome.map { outcome in outcome.study.mean { $0.wallClock > 0 ? $0[part] / $0.wallClock : 0 } }
                },
                Metric("time_\(part.name)_usd_total", "USD", "what \(words) costs", kind: .counter) { source in
                    source.outcome.map { outcome in outcome.study.mean { $0.billed[part.rawValue] } * outcome.dollarsPerNodeSecond }
                },
                Metric("time_\(part.name)_hours_per_day", "h", "\(words), mean of a day") { source in
                    source.outcome.map { outcome in outcome.study.mean { $0.wallClock > 0 ? 24 * $0[part] / $0.wallClock : 0 } }
                },
                Metric("time_\(part.name)_p50_seconds", "s", "\(words), median") { $0.outcome.map { $0.distribution { $0[part] }.p50 } },
                Metric("time_\(part.name)_p95_seconds", "s", "\(words), 95th percentile") {
                    $0.outcome.map { $0.distribution { $0[part] }.p95 }
                },
            ]
        }
    }

    static var checkpointMetrics: [Metric] {
        func plan(_ name: String, _ unit: String, _ words: String, _ value: @escaping @Sendable (RunPlan) -> Double?) -> Metric {
            Metric("checkpoint_\(name)", unit, words) { $0.outcome.flatMap { value($0.study.plan) } }
        }
        return [
            Metric("checkpoint_bytes", "B", "saved state of the job") { CheckpointSize($0.job).bytes },
            Metric("checkpoint_node_bytes", "B", "of it, what a node holds", scope: .node) { CheckpointSize($0.job).bytes / $0.nodes },
            Metric("checkpoint_snapshot_seconds", "s", "copy of a GPU's share to the host", scope: .gpu) {
                CheckpointSize($0.job).snapshotTime
            },
            Metric("checkpoint_peer_copy_seconds", "s", "copy of a node's share to a peer", scope: .node) {
                CheckpointSize($0.job).peerCopyTime()
            },
            Metric("checkpoint_load_seconds", "s", "read of the state from storage") { CheckpointSize($0.job).loadTime },
            plan("interval_seconds", "s", "work between two checkpoints") { $0.checkpoint.keptInterval(step: $0.step) },
            plan("stall_seconds", "s", "time that training stands still for one") { $0.checkpoint.stall },
            plan("write_seconds", "s", "time after the stall until it holds") { $0.checkpoint.write },
            plan("overhead_ratio", "1", "stalls over the time of an interval") { plan in
                let interval = plan.checkpoint.keptInterval(step: plan.step)
                return interval.isFinite ? plan.checkpoint.stall / (interval + plan.checkpoint.stall) : nil
            },
            plan("work_at_risk_seconds", "s", "lost with a failure, mean") { plan in
                let interval = plan.checkpoint.keptInterval(step: plan.step)
                return interval.isFinite ? interval / 2 + plan.checkpoint.write : nil
            },
            Metric("checkpoint_interval_young_seconds", "s", "Young's interval") { $0.outcome?.resolved.account.young },
            Metric("checkpoint_interval_daly_seconds", "s", "Daly's interval") { $0.outcome?.resolved.account.daly },
            Metric("checkpoint_written_bytes_total", "B", "written in the run", kind: .counter) { source in
                source.outcome.map { $0.study.mean { Double($0.checkpointsWritten) } * CheckpointSize(source.job).bytes }
            },
        ]
    }

    static var failureMetrics: [Metric] {
        [
            Metric("failure_mttf_seconds", "s", "time over failures in the samples") { $0.outcome?.study.mttf },
            Metric("failure_expected_mttf_seconds", "s", "from the causes' rates") { $0.outcome?.study.plan.mttf },
            Metric("failure_rate_per_1000_node_days", "1/(1000 d)", "failures of a thousand nodes in a day") { source in
                source.outcome.map { 86_400_000 * $0.study.plan.failureRate / Double(max(1, $0.study.plan.fleet.nodes)) }
            },
            Metric("failure_recovery_seconds", "s", "mean time from a failure until training goes on") {
                $0.outcome?.resolved.account.recovery
            },
            Metric("spares_warm_nodes", "1", "nodes that stand by") { $0.outcome?.study.plan.spares.map { Double($0.warm) } },
            Metric("spares_cold_nodes", "1", "nodes that would have to start") { $0.outcome?.study.plan.spares.map { Double($0.cold) } },
            Metric("monitor_false_alarms_per_day", "1/d", "of the run's monitor, at most") {
                $0.outcome?.resolved.monitor?.falseAlarmsPerDay
            },
            Metric("monitor_streams", "1", "metrics x GPUs that are watched") { $0.outcome?.resolved.monitor.map { Double($0.streams) } },
        ]
            + FailingUnit.allCases.flatMap { unit -> [Metric] in
                let word = unit.rawValue
                @Sendable func rate(_ source: MetricSource) -> Double? {
                    source.outcome.map { outcome in
                        let plan = outcome.study.plan
                        return plan.causes.reduce(0) { $0 + ($1.per == unit ? $1.rate(in: plan.fleet) : 0) }
                    }
                }
                return [
                    Metric("failures_\(word)_per_day", "1/d", "failures counted for each \(word), in a day") {
                        rate($0).map { $0 * 86_400 }
                    },
                    Metric("failures_\(word)_total", "1", "failures counted for each \(word), in the run", kind: .counter) { source in
                        source.outcome.map { outcome in
                            outcome.study.mean { sample in
                                zip(outcome.study.plan.causes, sample.byCause).reduce(0.0) { $0 + ($1.0.per == unit ? Double($1.1) : 0) }
                            }
                        }
                    },
                    Metric("fleet_\(word)_count", "1", "units of the kind \(word)") { source in
                        source.outcome.map { Double($0.study.plan.fleet.count(of: unit)) }
                    },
                ]
            }
    }
}
