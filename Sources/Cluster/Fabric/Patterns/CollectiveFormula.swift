/// Time of a collective where every message has the same latency and rate, from the textbook: latency x steps + bytes / rate, per algorithm. Independent of
/// the patterns and of the flows; both are held against it.
///
/// With a = latency of a hop, b = seconds a byte, n ranks, S bytes, C chunks (Thakur, Rabenseifner and Gropp 2005, doi:10.1177/1094342005051521;
/// Sanders, Speck and Träff 2009, doi:10.1016/j.parco.2009.09.001):
/// - ring: 2 (n-1) C (a + b S / (n C)) for all-reduce, half of that for reduce-scatter and all-gather
/// - halving-doubling, n a power of two: 2 (log2 n a + (n-1)/n b S); half of it for reduce-scatter and all-gather
/// - pairwise all-to-all: (n-1) (a + b S / n)
/// - pipelined chain: (C + n - 2) (a + b S / C)
public struct CollectiveFormula: Sendable {
    /// Ranks of the group.
    public var ranks: Int
    /// Latency and rate of a message between any two ranks.
    public var hop: LinkProperties
    public var form: PatternForm

    public init(ranks: Int, hop: LinkProperties, form: PatternForm = PatternForm()) {
        self.ranks = ranks
        self.hop = hop
        self.form = form
    }

    /// Seconds; nil for what has no such formula (hierarchies and trees of switches, unequal numbers of ranks).
    public func seconds(_ op: CollectiveOp, by way: CollectiveWay, bytes: Double) -> Double? {
        guard ranks > 1 else { return 0 }
        let n = Double(ranks)
        let chunks = Double(form.chunks ?? 1)
        let transfer = bytes / hop.bandwidth
        let levels = Double(ranks.bitWidth - 1 - ranks.leadingZeroBitCount)
        let isPower = ranks & (ranks - 1) == 0
        switch (op, way) {
        case (.allReduce, .ring): return 2 * (n - 1) * (chunks * hop.latency + transfer / n)
        case (_, .ring): return (n - 1) * (chunks * hop.latency + transfer / n)
        case (.allReduce, .halvingDoubling) where isPower: return 2 * (levels * hop.latency + (n - 1) / n * transfer)
        case (_, .halvingDoubling) where isPower: return levels * hop.latency + (n - 1) / n * transfer
        case (.allToAll, .direct): return (n - 1) * (hop.latency + transfer / n)
        case (_, .chain): return (chunks + n - 2) * (hop.latency + transfer / chunks)
        case (.sendReceive, .direct): return chunks * hop.latency + transfer
        default: return nil
        }
    }
}
