import Workload

/// Rules of what trains: frozen parts, adapters, further passes.
extension Legality {
    mutating func trained() {
        let training = job.training
        guard !job.trainsAll || training.passes.count > 0 else { return }
        if case .resnet = job.model.kind {
            let key = training.adapters != nil ? "adapters" : training.frozen.isEmpty ? "passes" : "frozen"
            add("training.\(key)", "it is modelled for transformers", "remove the key")
            return
        }
        if let adapters = training.adapters { check(adapters) } else { frozen() }
        guard !job.trainsAll else { return }
        if layout.tensorGrid > 0 {
            add("layout.tensor_algorithm", "frozen weights on a grid are not modelled", "write tensor_algorithm: 1d")
        }
        if !job.layersNeedBackward, training.recompute != .none {
            add("training.recompute", "no gradient passes back through the layers, so nothing is computed again", "write recompute: none")
        }
    }

    private mutating func frozen() {
        let frozen = job.training.frozen
        if job.trainedParameters <= 0 {
            add("training.frozen", "nothing is left to train", "leave a part out of the list, or add adapters")
        }
        if job.model.tiedEmbeddings, job.model.outputs == nil, frozen.contains(.embedding) != frozen.contains(.head) {
            add("training.frozen", "embedding and head of \(job.model.name) are one table", "list both, or neither")
        }
        guard let idle = job.model.moe == nil ? frozen.intersection([.experts, .router]) : nil, !idle.isEmpty else { return }
        add("training.frozen", "\(job.model.name) has no experts", "remove experts and router from the list")
    }

    private mutating func check(_ adapters: LowRankAdapters) {
        let unit = StageWork.Unit.layer(job.model.variant(at: max(0, job.model.layers - 1)))
        let there = LowRankAdapters(rank: adapters.rank, targets: [.allLinear, .head]).matrices(unit, of: job.deployment).map(\.target)
        for target in adapters.targets.sorted(by: { $0.rawValue < $1.rawValue })
        where ![.head, .attention, .mlp, .allLinear].contains(target) {
            guard !there.contains(target) else { continue }
            let known = Set(there).subtracting([.attention]).map(\.rawValue).sorted().joined(separator: ", ")
            add(
                "training.adapters.targets", "\(job.model.name) has no \(target.rawValue)",
                "write attention, mlp, all-linear, or of \(known)")
        }
        let narrowest = min(job.model.hidden, job.model.kvHeads * job.model.headWidths.key)
        if adapters.rank > max(1, narrowest) {
            add(
                "training.adapters.rank", "rank \(adapters.rank) is above the width \(narrowest) of the layers",
                "write a rank of at most \(narrowest)")
        }
        if adapters.base != .bf16, job.precision.compute.isLow {
            add(
                "training.adapters.base",
                "\(adapters.base.rawValue) weights are multiplied as 16-bit numbers, not in \(job.precision.compute.rawValue)",
                "write base: bf16, or precision: bf16")
        }
        if !job.training.frozen.isEmpty {
            add("training.frozen", "beside adapters every parameter of the model is frozen", "remove the key")
        }
    }
}
