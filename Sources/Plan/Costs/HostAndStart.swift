import Calibration
import Workload

/// What a stack adds beside its kernels and the volume of its messages: host time, and the start of messages that many ranks pass on.
extension CostModel {
    /// Kernels that the host could launch in the time that it takes to issue a collective.
    var collectiveKernels: Double { constants[.collectiveLaunch] / max(1e-3, constants[.launch]) }

    /// Seconds that a layer's ring between domains takes beside the table's start-up and the volume.
    func ringStart(_ communication: Communication) -> Double {
        let shape = group(communication.group)
        guard shape.crossesDomains, communication.group != .expert else { return 0 }
        return constants[.ringStart] * 1e-6 * Double(shape.ranks)
    }

    /// Seconds that gathering parameters from all of `ranks` takes beside the volume, where each rank sends its own piece around.
    func shardStart(ranks: Int, crosses: Bool) -> Double {
        guard crosses, deployment.layout.zero == 1 || deployment.layout.zero == 2 else { return 0 }
        return constants[.shardStart] * 1e-3 * Double(ranks)
    }

    /// Seconds for which the host of a stack with blocking sends is held up in a layer's forward and backward pass.
    var blockingPerLayer: Double {
        guard behaviour.blockingSends, deployment.layout.pipeline > 1, groups.pipelineCrossing > 0, deployment.layout.tensor > 1 else {
            return 0
        }
        return constants[.blockingSends] * 1e-3 * power(Double(deployment.layout.tensor), constants[.blockingGrowth])
    }

    /// Host seconds of updating the tensors of these units one by one; of adapters, two for each layer that has one.
    func updateStart(_ units: [StageWork.Unit], adapters: LowRankAdapters? = nil) -> Double {
        guard constants[.optimizerTensor] > 0 else { return 0 }
        if let adapters {
            let tensors = units.reduce(0) { sum, unit in adapters.matrices(unit, of: deployment).reduce(sum) { $0 + 2 * $1.count } }
            return Double(tensors) * constants[.optimizerTensor] * 1e-3
        }
        let experts = Double(max(1, deployment.layout.expert))
        var tensors = 0.0
        for unit in units {
            switch unit {
            case .layer(let variant):
                let count = Double(deployment.model.parameterTensors(variant))
                tensors += variant.kind == .moe ? count / experts : count
            case .prediction:
                tensors += Double(deployment.model.parameterTensors(deployment.model.variant(at: max(0, deployment.model.layers - 1))))
            case .embedding, .head: tensors += 2
            }
        }
        return tensors * constants[.optimizerTensor] * 1e-3
    }
}
