import Cost
import Plan
import Simulation

/// Metrics of a step and of its machines.
extension Metric {
    static var stepMetrics: [Metric] {
        [
            Metric("step_time_seconds", "s", "mean time of a step") { $0.stepS },
            Metric("step_time_p5_seconds", "s", "5th percentile of the step's time") { $0.step.step.timeS.p5 },
            Metric("step_time_p50_seconds", "s", "median of the step's time") { $0.step.step.timeS.p50 },
            Metric("step_time_p95_seconds", "s", "95th percentile of the step's time") { $0.step.step.timeS.p95 },
            Metric("step_time_spread_ratio", "1", "95th percentile over the median, less 1") {
                $0.step.step.timeS.p50 > 0 ? $0.step.step.timeS.p95 / $0.step.step.timeS.p50 - 1 : nil
            },
            Metric("step_rate_per_second", "1/s", "steps a second") { $0.stepS > 0 ? 1 / $0.stepS : nil },
            Metric("tokens_per_second", "1/s", "tokens (samples of a CNN) a second of the job") { $0.step.step.tokensPerS },
            Metric("tokens_per_second_per_gpu", "1/s", "the same of a GPU", scope: .gpu) { $0.step.step.tokensPerSPerGPU },
            Metric("samples_per_second", "1/s", "sequences or pictures a second") { $0.step.step.samplesPerS },
            Metric("samples_per_second_per_gpu", "1/s", "the same of a GPU", scope: .gpu) { $0.step.step.samplesPerS / $0.gpus },
            Metric("model_tflops_per_gpu", "TFLOP/s", "model FLOPs a second of a GPU", scope: .gpu) { $0.step.step.modelTFLOPsPerGPU },
            Metric("hardware_tflops_per_gpu", "TFLOP/s", "executed FLOPs a second of a GPU", scope: .gpu) {
                $0.step.step.hardwareTFLOPsPerGPU
            },
            Metric("model_pflops", "PFLOP/s", "model FLOPs a second of the job") { $0.step.step.modelTFLOPsPerGPU * $0.gpus / 1000 },
            Metric("hardware_pflops", "PFLOP/s", "executed FLOPs a second of the job") {
                $0.step.step.hardwareTFLOPsPerGPU * $0.gpus / 1000
            },
            Metric("mfu_ratio", "1", "model FLOPs over the dense peak") { $0.step.step.mfu },
            Metric("mfu_causal_ratio", "1", "the same with attention counted causally") { $0.step.step.mfuCausal },
            Metric("hfu_ratio", "1", "executed FLOPs over the dense peak") { $0.step.step.hfu },
            Metric("gpu_utilization_ratio", "1", "share of the step in which compute streams are busy", scope: .gpu) {
                $0.step.step.utilization
            },
            Metric("gpu_idle_ratio", "1", "the rest of the step", scope: .gpu) { 1 - $0.step.step.utilization },
            Metric("overlapped_comm_seconds", "s", "communication beside computation in a step", scope: .gpu) { $0.step.overlappedCommS },
            Metric("overlapped_comm_ratio", "1", "the same over the step", scope: .gpu) { $0.step.overlappedCommS / $0.stepS },
            Metric("exposed_comm_seconds", "s", "communication that nothing hides, in a step", scope: .gpu) { $0.exposed },
            Metric("exposed_comm_ratio", "1", "the same over the step", scope: .gpu) { $0.exposed / $0.stepS },
            Metric("prediction_measured_ratio", "1", "share of the step's time that rests on measured kernels") {
                $0.step.evidence.measured
            },
            Metric("prediction_error_ratio", "1", "expected relative error of the predicted step") { $0.step.evidence.stepTimeError },
        ]
    }

    static var activityMetrics: [Metric] {
        Activity.allCases.flatMap { activity -> [Metric] in
            let (name, words) = (activity.rawValue, activity.rawValue.replacing("_", with: " "))
            return [
                Metric("\(name)_seconds", "s", "\(words) in a step, on the critical path", scope: .gpu) {
                    $0.step.breakdownS[activity] ?? 0
                },
                Metric("\(name)_ratio", "1", "\(words) over the step", scope: .gpu) { ($0.step.breakdownS[activity] ?? 0) / $0.stepS },
                Metric("\(name)_gpu_hours_total", "h", "GPU-hours of \(words) in the run", kind: .counter) { source in
                    (source.step.breakdownS[activity] ?? 0) * Double(source.run.steps) * source.gpus / 3600
                },
            ]
        }
    }

    static var memoryMetrics: [Metric] {
        let parts: [(String, @Sendable (MemoryEstimate.Stage) -> Double)] = [
            ("parameters", { $0.parameters }), ("gradients", { $0.gradients }), ("optimizer", { $0.optimizer }),
            ("activations", { $0.activations }), ("buffers", { $0.buffers }), ("fragmentation", { $0.fragmentation }),
            ("context", { $0.context }), ("host", { $0.host }),
        ]
        return [
            Metric("memory_peak_bytes", "B", "peak of the fullest GPU", scope: .gpu) { $0.step.memory.peak },
            Metric("memory_capacity_bytes", "B", "what a process can have", scope: .gpu) { $0.step.memory.capacity },
            Metric("memory_free_bytes", "B", "what is left at the peak", scope: .gpu) { $0.step.memory.capacity - $0.step.memory.peak },
            Metric("memory_used_ratio", "1", "peak over capacity", scope: .gpu) { $0.step.memory.peak / $0.step.memory.capacity },
            Metric("memory_fits", "1", "1 where the job fits") { $0.step.memory.fits ? 1 : 0 },
            Metric("memory_total_least_bytes", "B", "of the emptiest pipeline stage", scope: .gpu) {
                PeerGroup($0.step.memory.stages.map(\.total)).least
            },
            Metric("memory_total_mean_bytes", "B", "mean over pipeline stages", scope: .gpu) {
                PeerGroup($0.step.memory.stages.map(\.total)).mean
            },
            Metric("memory_total_deviation_bytes", "B", "standard deviation over pipeline stages", scope: .gpu) {
                PeerGroup($0.step.memory.stages.map(\.total)).deviation
            },
        ]
            + parts.flatMap { name, part -> [Metric] in
                [
                    Metric("memory_\(name)_bytes", "B", "\(name), of the stage with most", scope: .gpu) {
                        PeerGroup($0.step.memory.stages.map(part)).most
                    },
                    Metric("memory_\(name)_mean_bytes", "B", "\(name), mean over stages", scope: .gpu) {
                        PeerGroup($0.step.memory.stages.map(part)).mean
                    },
                    Metric("memory_\(name)_least_bytes", "B", "\(name), of the stage with least", scope: .gpu) {
                        PeerGroup($0.step.memory.stages.map(part)).least
                    },
                    Metric("memory_\(name)_ratio", "1", "\(name) over the capacity", scope: .gpu) {
                        PeerGroup($0.step.memory.stages.map(part)).most / $0.step.memory.capacity
                    },
                ]
            }
    }

    static var trafficMetrics: [Metric] {
        var all: [(String, @Sendable (Traffic) -> Double)] = [("nvlink", { $0.nvlink }), ("network", { $0.network })]
        for group in Traffic.groups { all.append((group, { $0.byGroup[group] ?? 0 })) }
        return all.flatMap { name, bytes -> [Metric] in
            [
                Metric("traffic_\(name)_bytes", "B", "bytes that a GPU sends in a step: \(name)", scope: .gpu) { bytes($0.step.traffic) },
                Metric("traffic_\(name)_bytes_per_second", "B/s", "the same a second", scope: .gpu) { bytes($0.step.traffic) / $0.stepS },
                Metric("traffic_\(name)_bytes_total", "B", "the same of all GPUs over the run", kind: .counter) {
                    bytes($0.step.traffic) * $0.gpus * Double($0.run.steps)
                },
            ]
        } + [
            Metric("nic_transmit_bytes_per_second", "B/s", "of a port, mean over a step", scope: .node) { $0.portRate },
            Metric("nic_utilization_ratio", "1", "the same over the port's rate", scope: .node) { source in
                source.portRate.flatMap { rate in source.job.cluster.interNode.map { rate / $0.link.bandwidth.bytesPerSecond } }
            },
        ]
    }

    static var powerMetrics: [Metric] {
        let states: [(String, PowerState)] = [
            ("computing", .computing), ("memory_bound", .memoryBound), ("communicating", .communicating), ("waiting", .waiting),
        ]
        return [
            Metric("gpu_power_watts", "W", "of a GPU, mean over a step", scope: .gpu) { $0.gpuWatts },
            Metric("gpu_power_ratio", "1", "the same over the board power", scope: .gpu) { source in
                source.gpuWatts.map { $0 / source.board }
            },
            Metric("gpu_idle_power_watts", "W", "of a GPU that waits", scope: .gpu) { source in source.power.map { $0.idle * source.board }
            },
            Metric("gpu_temperature_celsius", "C", "30 C of air and 45 K at the board power (assumed)", scope: .gpu) { source in
                source.gpuWatts.map { 30 + 45 * $0 / source.board }
            },
            Metric("gpu_memory_temperature_celsius", "C", "10 K above the GPU (assumed)", scope: .gpu) { source in
                source.gpuWatts.map { 40 + 45 * $0 / source.board }
            },
            Metric("gpu_throttle_margin_celsius", "K", "below 87 C, at which boards throttle (assumed)", scope: .gpu) { source in
                source.gpuWatts.map { 57 - 45 * $0 / source.board }
            },
            Metric("host_power_watts", "W", "of a node without its GPUs", scope: .node) { source in
                source.hostWatts.map { $0 / source.nodes }
            },
            Metric("node_power_watts", "W", "of a node", scope: .node) { source in source.machineWatts.map { $0 / source.nodes } },
            Metric("machine_power_watts", "W", "of all nodes") { $0.machineWatts },
            Metric("step_energy_joules", "J", "of the machines in a step") { source in source.machineWatts.map { $0 * source.stepS } },
            Metric("token_energy_joules", "J", "of the machines for a token") { source in
                source.machineWatts.flatMap { source.step.step.tokensPerS > 0 ? $0 / source.step.step.tokensPerS : nil }
            },
            Metric("flops_per_watt", "FLOP/J", "model FLOPs of a joule") { source in
                source.machineWatts.map { source.step.step.modelTFLOPsPerGPU * 1e12 * source.gpus / $0 }
            },
        ]
            + states.map { name, state in
                Metric("gpu_\(name)_seconds", "s", "in a step, as far as power goes", scope: .gpu) { source in
                    source.load.parts.reduce(0) { $0 + ($1.state == state ? $1.seconds : 0) }
                }
            }
    }
}

extension MetricSource {
    /// Communication on the critical path of a step.
    var exposed: Double { step.breakdownS.filter { $0.key.powerState == .communicating }.map(\.value).sorted().reduce(0, +) }

    /// Bytes a second of one network port.
    var portRate: Double? {
        job.cluster.interNode.map {
            step.traffic.network * Double(job.cluster.gpusPerNode) / Double(max(1, $0.nicsPerNode)) / max(stepS, 1e-12)
        }
    }
}
