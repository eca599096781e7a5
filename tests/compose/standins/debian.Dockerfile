# All that the stand-ins need from Debian, in one step; the official images have each their own share.
FROM pitboss-standin/minimal
RUN apt-get update -q && mkdir -p /etc/postgresql-common \
    && echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf \
    && groupadd --system --gid 101 nginx && useradd --system --gid nginx --uid 101 --no-create-home nginx \
    && groupadd --system --gid 998 redis && useradd --system --gid redis --uid 998 --no-create-home redis \
    && groupadd --system --gid 999 postgres \
    && useradd --system --gid postgres --uid 999 --home-dir /var/lib/postgresql postgres \
    && apt-get install -q -y --no-install-recommends \
        curl gettext-base nginx-light postgresql-15 python3-minimal python3-pip redis-server \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb /usr/lib/python3*/EXTERNALLY-MANAGED
