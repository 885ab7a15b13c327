/// Bottleneck ResNets (He et al., arXiv:1512.03385) in the common variant that halves the picture in a block's 3 x 3 convolution ("v1.5").
struct ResNet {
    /// A convolution without bias, its batch norm, and the size of its output.
    struct Convolution {
        var inputs: Int
        var outputs: Int
        var kernel: Int
        var outputSize: Int
        var hasReLU = true
        /// Parts that inputs and outputs are cut into, each convolved apart (arXiv:1611.05431).
        var groups = 1
        var weights: Double { Double(inputs) * Double(outputs) * Double(kernel * kernel) / Double(max(1, groups)) }
        var multiplyAdds: Double { weights * Double(outputSize) * Double(outputSize) }
    }

    static let classes = 1000
    static let depths = [50: [3, 4, 6, 3], 101: [3, 4, 23, 3], 152: [3, 8, 36, 3]]
    /// Blocks of each of the four stages.
    let stages: [Int]
    let imageSize: Int
    private let groups: Int
    private let groupWidth: Int

    /// nil for transformers and for depths other than 50, 101, 152.
    init?(_ architecture: Architecture) {
        guard case .resnet(let depth, let imageSize) = architecture.kind, let stages = Self.depths[depth], (32...8192).contains(imageSize)
        else {
            return nil
        }
        self.stages = stages
        self.imageSize = imageSize
        groups = max(1, architecture.convolutionGroups)
        groupWidth = max(1, architecture.groupWidth)
    }

    var blockCount: Int { stages.reduce(0, +) }

    /// Stage of block `index` (from 0) and whether it opens the stage.
    func place(ofBlock index: Int) -> (stage: Int, first: Bool) {
        var rest = max(0, index)
        for (stage, count) in stages.enumerated() {
            if rest < count { return (stage, rest == 0) }
            rest -= count
        }
        return (stages.count - 1, false)
    }

    /// Side of the picture after `halvings` strided layers, each with enough padding to round up.
    private func side(_ halvings: Int) -> Int { (0..<halvings).reduce(imageSize) { size, _ in (size + 1) / 2 } }

    var stemConvolution: Convolution { Convolution(inputs: 3, outputs: 64, kernel: 7, outputSize: side(1)) }

    /// Convolutions of a block: 1 x 1 down, 3 x 3, 1 x 1 up, and the projection of the shortcut in a stage's first block.
    func convolutions(stage: Int, first: Bool) -> [Convolution] {
        let stage = min(max(0, stage), 3)
        let width = 64 << stage
        let inner = width * groupWidth * groups / 64
        let output = side(2 + stage)
        let isStrided = first && stage > 0
        let input = isStrided ? side(1 + stage) : output
        let inputs = first ? (stage == 0 ? 64 : width * 2) : width * 4
        var result = [
            Convolution(inputs: inputs, outputs: inner, kernel: 1, outputSize: input),
            Convolution(inputs: inner, outputs: inner, kernel: 3, outputSize: output, groups: groups),
            Convolution(inputs: inner, outputs: width * 4, kernel: 1, outputSize: output, hasReLU: false),
        ]
        if first { result.append(Convolution(inputs: inputs, outputs: width * 4, kernel: 1, outputSize: output, hasReLU: false)) }
        return result
    }

    private var allBlocks: [Convolution] {
        (0..<blockCount).flatMap { index in
            let place = place(ofBlock: index)
            return convolutions(stage: place.stage, first: place.first)
        }
    }

    static let features = 2048

    /// Multiply-adds of the forward pass of one picture.
    var multiplyAdds: Double {
        allBlocks.reduce(stemConvolution.multiplyAdds + Double(Self.features * Self.classes)) { $0 + $1.multiplyAdds }
    }

    var parameters: ParameterCount {
        let size = { (c: Convolution) in Int(c.weights) + 2 * c.outputs }
        var count = ParameterCount()
        count.embedding = size(stemConvolution)
        count.head = Self.features * Self.classes + Self.classes
        count.total = allBlocks.reduce(count.embedding + count.head) { $0 + size($1) }
        count.active = count.total
        count.multiplying = allBlocks.reduce(Int(stemConvolution.weights) + Self.features * Self.classes) { $0 + Int($1.weights) }
        count.activeMultiplying = count.multiplying
        return count
    }

    /// Parameters of one block, with its batch norms.
    func blockParameters(stage: Int, first: Bool) -> Int {
        convolutions(stage: stage, first: first).reduce(0) { $0 + Int($1.weights) + 2 * $1.outputs }
    }
}

extension Architecture {
    /// Parameters of layer `index` (from 0): a transformer layer, or a bottleneck block of a CNN.
    public func layerParameters(at index: Int) -> Int {
        layerParameters(variant(at: index))
    }

    /// Parameters of a layer of the given variant.
    public func layerParameters(_ variant: LayerVariant) -> Int {
        switch variant.kind {
        case .dense: parameters.perDenseLayer.total
        case .moe: parameters.perMoELayer.total
        case .bottleneck(let stage, let first): ResNet(self)?.blockParameters(stage: stage, first: first) ?? 0
        }
    }
}
