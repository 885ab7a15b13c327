/// How several workers' gradients become one sum that all of them have.
public enum ExchangeMethod: Sendable {
    /// What is sent can be added on the way.
    case allReduce
    /// Each worker sums one part: parts are encoded and sent to their owners, who decode, add, encode the sum and send it to all
    /// (as in 1-bit Adam, arXiv:2102.02888 section 4, and ZeRO++'s qgZ, arXiv:2306.10209). Every message travels twice, whatever the number of workers.
    case scatterAndGather
    /// Every worker gets every message: the traffic grows with the workers, as the positions that are sent differ.
    case gather
}

/// The mean of the gradients [workers][n] as `scatterAndGather` gives it to every worker. `codecs` [workers] each hold one worker's state for what it
/// sends of its own gradient part by part, `owners` [workers] for the part whose mean it sends on. With one worker the gradient is coded twice.
/// - Throws: `CodecError` where lengths differ, or there is not one codec of each kind for each worker.
public func scatterAndGather(
    _ gradients: [[Float]], codecs: inout [BucketedCodec], owners: inout [any GradientCodec]
) throws(CodecError) -> [Float] {
    guard let count = gradients.first?.count, gradients.allSatisfy({ $0.count == count }), codecs.count == gradients.count,
        owners.count == gradients.count, codecs.allSatisfy({ $0.buckets == codecs[0].buckets }), codecs[0].buckets.count <= owners.count
    else {
        throw .misuse(
            "\(gradients.count) gradients of one length need as many codecs, cut into the same parts of which each has an owner; there are \(codecs.count) codecs and \(owners.count) owners"
        )
    }
    var result = [Float](repeating: 0, count: count)
    for (part, range) in codecs[0].buckets.enumerated() {
        var sum = [Float](repeating: 0, count: range.count)
        for worker in gradients.indices {
            var arrived = [Float](repeating: 0, count: count)
            let message = try codecs[worker].encode(bucket: part, of: gradients[worker])
            try codecs[worker].decode(bucket: part, message, into: &arrived)
            for i in sum.indices { sum[i] += arrived[range.lowerBound + i] }
        }
        if gradients.count > 1 { for i in sum.indices { sum[i] /= Float(gradients.count) } }
        let message = try owners[part].encode(sum)
        result.replaceSubrange(range, with: try owners[part].decode(message, count: range.count))
    }
    return result
}
