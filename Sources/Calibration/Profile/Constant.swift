/// The constants of the time model. Meaning, unit, prior, range and reason of each: Resources/constants.yaml.
public enum Constant: Int, Sendable, CaseIterable {
    case gemm, gemmLow, gemmFp4, grouped, gemmWave, gemmKHalf, gemmTiles
    case attention, attentionHead64, attentionBackward, attentionSHalf
    case attentionBmm, attentionUnaligned, attentionOdd, attentionSoftmax
    case memory, elementwise, logits, quantise, quantiseRowwise, quantiseMx
    case kernelStart, launch, launchBlocking
    case nvlink, network
    case tensorExposed, tensorChunks
    case tensorAsyncExposed, tensorBackwardExposed, tensorGatherBackward, contextExposed, expertExposed, expertOverlap
    case pipelineExposed, pipelineOverlap, hostSync
    case dataExposed, overlapSlowdown, shardedSlowdown
    case optimizer, gradientCopy, fixed, jitter, moePermute, selectiveShare, degradation

    /// Its name in data files: the case in snake case.
    public var key: String {
        "\(self)".reduce(into: "") { $0 += $1.isUppercase ? "_" + $1.lowercased() : String($1) }
    }
}

/// One value of every constant, resolved for a device and a software stack.
public struct Constants: Sendable, Hashable {
    /// In the order of `Constant.allCases`.
    public private(set) var values: [Double]
    init(values: [Double]) { self.values = values }
    @inline(__always)
    public subscript(constant: Constant) -> Double { values[constant.rawValue] }
}
