import Calibration
import Cluster
import Plan
import Quantities
import Workload

/// What a step achieves and moves. Definitions: docs/definitions.md.
struct StepAccount {
    let plan: Plan
    private var job: Job { plan.job }

    func step(times: [Double], mean: Double, utilization: Double) -> StepResult {
        let batch = job.training.globalBatch
        let tokens = job.tokensPerStep
        let gpus = Double(job.cluster.gpus)
        let model = job.modelFLOPs()
        let causal = job.modelFLOPs(causal: true)
        let whole = job.model.modelFLOPs(sequence: job.training.sequence, globalBatch: batch)
        let executed = model + recomputedFLOPs(model: whole, tokens: tokens)
        let capacity = job.cluster.totalPeak(job.precision.compute) * mean
        return StepResult(
            timeS: Distribution(of: times), tokensPerS: tokens / mean, tokensPerSPerGPU: tokens / mean / gpus,
            samplesPerS: Double(batch) / mean,
            modelTFLOPsPerGPU: model / mean / gpus * 1e-12, hardwareTFLOPsPerGPU: executed / mean / gpus * 1e-12, mfu: model / capacity,
            hfu: executed / capacity, mfuCausal: causal / capacity, utilization: utilization)
    }

    /// FLOPs of the passes that run twice: the layers' forward (a third of forward and backward), the head not among them
    /// (arXiv:2104.04473 eq. 3), or the attention core alone.
    /// - Parameter model: FLOPs of training all parameters.
    private func recomputedFLOPs(model: Double, tokens: Double) -> Double {
        let head = 6 * Double((job.model.outputs ?? job.model.vocab) * job.model.hidden) * tokens
        let attention = max(0, model - 6 * Double(job.model.parameters.activeMultiplying) * tokens)
        switch job.training.recompute {
        case .none, .auto: return 0
        case .full: return (model - head) / 3
        case .layers(let count):
            let perRank = Double(job.model.layers) / Double(max(1, job.layout.pipeline))
            return (model - head) / 3 * min(1, Double(count) / max(1, perRank))
        case .perRank(let counts):
            return (model - head) / 3 * min(1, Double(counts.reduce(0, +)) / Double(max(1, job.model.layers)))
        // What the dropped outputs take: norms and activations no products, the up-projections of MLA theirs.
        case .modules(let chosen):
            let latents = chosen.contains(.latentUp) ? 2 * latentUpParameters * Double(job.model.layers) * tokens : 0
            return latents + model / 3 * share(of: chosen.intersection([.mlp, .moe, .attentionCore]))
        case .selective:
            if plan.behaviour.selective == .half { return (model - head - attention) / 3 * plan.model.constants[.selectiveShare] }
            return plan.behaviour.flashAttention ? 0 : attention / 3
        }
    }

    /// Share of the forward pass's FLOPs that lie in some modules.
    private func share(of modules: RecomputedModules) -> Double {
        guard !modules.isEmpty else { return 0 }
        var (whole, own) = (0.0, 0.0)
        for unit in plan.work.stages.joined() {
            for op in plan.work.ops[unit] where op.pass == .forward {
                whole += CostModel.flops(op)
                if !modules.isDisjoint(with: RecomputedModules(of: op)) { own += CostModel.flops(op) }
            }
        }
        return whole > 0 ? own / whole : 0
    }

    /// Parameters of the products that make queries, keys and values from the latents, of a layer.
    private var latentUpParameters: Double {
        guard case .mla(let queryRank, let kvRank, let rope, let nope, let value) = job.model.attention else { return 0 }
        let heads = Double(job.model.heads)
        return Double(queryRank ?? 0) * heads * Double(nope + rope) + Double(kvRank) * heads * Double(nope + value)
    }

    /// Bytes that a GPU sends in a step, mean over the GPUs.
    /// - Throws: `Fault` where the ranks cannot be placed.
    func traffic() throws(Fault) -> Traffic {
        var traffic = Traffic(nvlink: 0, network: 0, byGroup: [:])
        do throws(PlacementError) {
            for (group, sent) in try plan.sentBytes().sorted(by: { $0.key.rawValue < $1.key.rawValue }) where sent.inside + sent.network > 0
            {
                traffic.nvlink += sent.inside
                traffic.network += sent.network
                traffic.byGroup[group.name] = sent.inside + sent.network
            }
        } catch { throw Fault(reason: "\(error)") }
        return traffic
    }

    /// How communication was timed, where it ran as flows.
    var flowAssumption: Assumption {
        let shares = plan.reachedShares
        let host = job.layout.offload == .none ? "" : "; transfers to the host in closed form, as no flow crosses their links"
        return Assumption(
            subject: "communication",
            value:
                "flows; links reach \(significant(shares.network)) of their rate on the network, \(significant(shares.inside)) inside\(host)",
            source: "docs/contention.md: alone each collective takes its calibrated closed form; links shared max-min fairly")
    }

    /// What the prediction takes for granted, with where it is from.
    var assumptions: [Assumption] {
        let accelerator = job.cluster.accelerator
        var list = [
            Assumption(subject: "GPU", value: accelerator.name, source: accelerator.source),
            Assumption(
                subject: "model", value: "\(job.model.name), \(significant(Double(job.model.parameters.total) * 1e-9)) B parameters",
                source: job.model.source),
            Assumption(subject: "software stack", value: plan.behaviour.stack, source: plan.behaviour.why),
            Assumption(
                subject: "link inside a node", value: "\(job.cluster.intraNode.bandwidth) a GPU and direction",
                source: job.cluster.intraNode.source),
        ]
        if let network = job.cluster.interNode {
            list.append(
                Assumption(
                    subject: "network", value: "\(network.nicsPerNode) x \(network.link.bandwidth) a node (\(network.link.name))",
                    source: network.link.source))
        }
        for constant in [Constant.gemm, .attention, .memory, .nvlink, .network, .launch] {
            let value = plan.model.constants[constant]
            list.append(
                Assumption(subject: "constant \(constant.key)", value: significant(value), source: plan.reasons[constant] ?? ""))
        }
        return list
    }
}
