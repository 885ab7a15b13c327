import Workload

/// Parameters that receive no gradient, and what they take where they are gathered or kept.
public struct FrozenWeights: Sendable, Hashable {
    public var dense = 0.0
    public var expert = 0.0
    public var denseBytes = 0.0
    public var expertBytes = 0.0

    static func * (a: Self, factor: Double) -> Self {
        FrozenWeights(
            dense: a.dense * factor, expert: a.expert * factor, denseBytes: a.denseBytes * factor, expertBytes: a.expertBytes * factor)
    }
    static func += (a: inout Self, b: Self) {
        a.dense += b.dense
        a.expert += b.expert
        a.denseBytes += b.denseBytes
        a.expertBytes += b.expertBytes
    }
}

/// Which parameters of a job train, part by part, and in how many bytes the others are kept.
struct TrainedWeights: Sendable {
    let frozen: ModelParts
    private let linearBytes: Double
    private let otherBytes: Double

    init(_ job: Job) {
        frozen = job.frozenParts
        otherBytes = job.precision.activationBytes
        linearBytes = job.training.adapters.map { min($0.base.bytes, job.precision.activationBytes) } ?? otherBytes
    }

    /// Adds `count` parameters of a part to those that do not train, where it is one of them.
    func add(_ count: Double, of part: ModelParts, isExpert: Bool = false, to sum: inout FrozenWeights) {
        guard frozen.contains(part) else { return }
        let bytes = count * (ModelParts.linear.contains(part) ? linearBytes : otherBytes)
        if isExpert {
            sum.expert += count
            sum.expertBytes += bytes
        } else {
            sum.dense += count
            sum.denseBytes += bytes
        }
    }
}

extension Job {
    /// Parts whose own parameters stay as they are: all of them beside adapters.
    public var frozenParts: ModelParts { training.adapters == nil ? training.frozen : .all }

    /// Whether a step is that of plain training: all parameters train, in one forward pass.
    var trainsAll: Bool { training.adapters == nil && training.frozen.isEmpty }

    /// Parts that a layer of the model has.
    private var layerParts: ModelParts {
        guard let moe = model.moe else { return [.attention, .mlp, .norms] }
        return moe.denseLayers > 0 ? .layer : [.attention, .experts, .router, .norms]
    }

    /// Whether gradients pass back through the layers: to their own parameters, to adapters in them, or to the embedding.
    var layersNeedBackward: Bool {
        if let adapters = training.adapters { return adapters.targets != [.head] }
        return !training.frozen.isSuperset(of: layerParts.union(.embedding))
    }

    /// Gathers of a step over those of its forward and its backward pass: each further forward pass gathers again, or a copy of the model once where what is
    /// gathered stays.
    var gatherFactor: Double {
        guard training.passes.count > 0 else { return 1 }
        guard keepsGathered else { return 1 + Double(training.passes.count) / 2 }
        return training.passes.reference > 0 && training.adapters == nil ? 2 : 1
    }

    /// Parameters of the whole model that train, adapters among them.
    public var trainedParameters: Double {
        let all = Double(model.parameters.trained)
        guard !trainsAll else { return all }
        if let adapters = training.adapters { return adapterParameters(adapters, active: false) }
        return max(0, all - partCounts(active: false).reduce(0) { $0 + (training.frozen.contains($1.part) ? $1.count : 0) })
    }

    private func adapterParameters(_ adapters: LowRankAdapters, active: Bool) -> Double {
        var whole = deployment
        (whole.layout.tensor, whole.layout.expert, whole.layout.expertTensor) = (1, 1, 1)
        func count(_ unit: StageWork.Unit) -> Double {
            adapters.matrices(unit, of: whole).reduce(0) { sum, matrix in
                let share = active && matrix.isRouted ? activeShare : 1
                return sum + matrix.parameters(rank: adapters.rank) * share
            }
        }
        let dense = min(model.layers, model.moe?.denseLayers ?? model.layers)
        let layers = count(.layer(LayerVariant(kind: .dense))) * Double(dense)
        let expertLayers = model.moe == nil ? 0 : count(.layer(LayerVariant(kind: .moe))) * Double(model.layers - dense)
        return layers + expertLayers + count(.head)
    }

    /// Experts that a token is sent to, of all.
    private var activeShare: Double { model.moe.map { Double($0.active) / Double(max(1, $0.experts)) } ?? 1 }

    /// Parameters of the model by part.
    private func partCounts(active: Bool) -> [(part: ModelParts, count: Double)] {
        let count = model.parameters
        let expertLayers = Double(model.moe == nil ? 0 : model.moeLayers)
        let (dense, moe) = (Double(model.layers) - expertLayers, count.perMoELayer)
        func layers(_ own: KeyPath<ParameterCount.Layer, Int>) -> Double {
            dense * Double(count.perDenseLayer[keyPath: own]) + expertLayers * Double(moe[keyPath: own])
        }
        let routed = expertLayers * Double(moe.experts) * (active ? activeShare : 1)
        return [
            (.embedding, Double(count.embedding + count.positions)), (.attention, layers(\.attention)), (.mlp, layers(\.mlp)),
            (.experts, routed + layers(\.sharedExperts)), (.router, layers(\.router)), (.norms, layers(\.norms) + Double(count.finalNorm)),
            (.head, Double(count.head + count.taskHeads)),
        ]
    }

    /// Model FLOPs of a step as this job trains: those of the architecture, without the weight gradients of what is frozen (2 of the 6 a weight and
    /// token), without a backward pass where none is needed, with those of adapters and of further forward passes.
    /// - Parameter causal: attention counted as a causal mask leaves it.
    public func modelFLOPs(causal: Bool = false) -> Double {
        let (sequence, batch) = (training.sequence, training.globalBatch)
        let whole =
            causal
            ? model.modelFLOPsCausal(sequence: sequence, globalBatch: batch) : model.modelFLOPs(sequence: sequence, globalBatch: batch)
        let more = whole / 3 * Double(training.passes.count)
        guard !trainsAll else { return whole + more }
        let tokens = Double(sequence) * Double(batch)
        let head = Double((model.outputs ?? model.vocab) * model.hidden)
        let ownAdapters = training.adapters.map { adapterParameters($0, active: true) } ?? 0
        guard layersNeedBackward else {
            return whole / 3 + more + (frozenParts.contains(.head) ? 0 : 2 * head * tokens) + 6 * ownAdapters * tokens
        }
        let frozen: Double
        if frozenParts == .all {
            frozen = Double(model.parameters.activeMultiplying)
        } else {
            let parts: ModelParts = [.attention, .mlp, .experts, .router]
            let layers = partCounts(active: true).reduce(0) { $0 + (frozenParts.intersection(parts).contains($1.part) ? $1.count : 0) }
            frozen = layers + (frozenParts.contains(.head) ? head : 0)
        }
        return whole - 2 * frozen * tokens + 6 * ownAdapters * tokens + more
    }
}
