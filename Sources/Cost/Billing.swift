import Quantities

extension PriceBook {
    /// The bill for what was used. Each part is rounded to a millionth of a dollar once, and the total is their exact sum.
    /// - Throws: `Fault` for usage or prices that cannot be billed.
    public func bill(for usage: Usage) throws(Fault) -> Bill {
        guard usage.gpus >= 0, usage.wallClock.nanoseconds >= 0 else {
            throw Fault(keyPath: "prices", reason: "a usage of \(usage.gpus) GPUs for \(usage.wallClock) cannot be billed")
        }
        guard usage.storedMonths.isFinite, usage.storedMonths >= 0, usage.tokens.isFinite, usage.tokens >= 0 else {
            throw Fault(
                keyPath: "prices",
                reason: "\(usage.storedMonths) months of storage and \(usage.tokens) tokens must be finite numbers, zero or more")
        }
        guard pue.isFinite, pue >= 1 else {
            throw Fault(
                keyPath: "prices.pue", reason: "\(pue) is too low: facility energy over IT energy is at least 1",
                suggestion: "write for instance 1.2")
        }
        var bill = Bill()
        bill.gpuHours = usage.gpuHours
        bill.energyKWh = usage.energy.joules / 3.6e6 * pue
        bill.carbonKg = bill.energyKWh * (carbon?.kilogramsPerKilowattHour ?? 0)
        let compute = try money(bill.gpuHours * (try hourly()?.dollarsPerHour ?? 0))
        let energy = try money(bill.energyKWh * (electricity?.dollarsPerKilowattHour ?? 0))
        let terabyteMonths = Double(usage.stored.count) / 1e12 * usage.storedMonths
        let kept = try money(terabyteMonths * (storage?.dollarsPerTerabyteMonth ?? 0))
        let total: Money
        do {
            total = try compute + kept + (chargesEnergy ? energy : .zero)
        } catch { throw Fault(keyPath: "prices", reason: error.message) }
        bill.computeUSD = exact(compute)
        bill.energyUSD = exact(energy)
        bill.storageUSD = exact(kept)
        bill.totalUSD = exact(total)
        bill.usdPerMillionTokens = usage.tokens > 0 ? bill.totalUSD / (usage.tokens / 1e6) : 0
        return bill
    }

    /// What time and energy cost, storage apart: the bill's rates.
    /// - Throws: `Fault` for spot without a spot price.
    public func rates(gpus: Int) throws(Fault) -> Rates {
        Rates(
            dollarsPerSecond: try hourly().map { Double(gpus) * $0.dollarsPerHour / 3600 },
            dollarsPerJoule: chargesEnergy ? (electricity?.dollarsPerKilowattHour ?? 0) * pue / 3.6e6 : 0)
    }

    private func money(_ dollars: Double) throws(Fault) -> Money {
        do { return try Money(baseValue: dollars) } catch { throw Fault(keyPath: "prices", reason: error.message) }
    }
    /// Division is correctly rounded, so a whole number of cents prints as such.
    private func exact(_ money: Money) -> Double { Double(money.microdollars) / 1e6 }
}
