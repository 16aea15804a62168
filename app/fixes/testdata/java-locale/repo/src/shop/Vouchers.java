package shop;

import java.util.Map;

/** Vouchers, by the codes that customers type. */
public final class Vouchers {
    private final Map<String, Integer> percent;

    /** @param percent what a code takes off, in percent; codes are in capital letters */
    public Vouchers(Map<String, Integer> percent) {
        this.percent = percent;
    }

    /** What a code takes off, in percent, however it is typed; 0 if it is none of ours. */
    public int of(String typed) {
        return percent.getOrDefault(typed.trim().toUpperCase(), 0);
    }

    /** A price in cents, after a voucher, as it is printed: "12.50". */
    public String price(int cents, String typed) {
        return String.format("%.2f", cents * (100 - of(typed)) / 10000.0);
    }
}
